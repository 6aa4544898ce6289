"""Scratch databases are like the live one, and do not outlive their use."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from agentarmy_ops.errors import VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import PREFIX, DatabaseFacts, ScratchServer

FACTS = DatabaseFacts("UTF8", "C", "C", "C")


@pytest.fixture
def scratch(scratch_server: ConnInfo) -> ScratchServer:
    return ScratchServer(scratch_server)


@pytest.fixture
def role(scratch: ScratchServer) -> Iterator[str]:
    name = f'odd "role" {uuid.uuid4().hex[:8]}'
    yield name
    with scratch.server.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _databases(scratch: ScratchServer) -> set[str]:
    with scratch.server.connect() as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


def test_a_database_lives_as_long_as_its_block(scratch: ScratchServer) -> None:
    with scratch.database(FACTS) as database:
        name = database.params["dbname"]
        assert re.fullmatch(r"agentarmy_scratch_\d{8}t\d{6}z_[0-9a-f]{8}", name)
        with database.connect() as connection:
            row = connection.execute(
                "SELECT pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text"
                " FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert row == ("UTF8", "C", "C")
    assert name not in _databases(scratch)


def test_it_is_dropped_after_an_exception_and_under_open_sessions(scratch: ScratchServer) -> None:
    opened: list[psycopg.Connection[tuple[object, ...]]] = []

    def fail() -> None:
        with scratch.database(FACTS) as database:
            opened.append(database.connect())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert opened[0].info.dbname not in _databases(scratch)
    opened[0].close()


def test_a_copy_of_a_template_has_what_is_in_it(scratch: ScratchServer) -> None:
    with scratch.database(FACTS) as template:
        with template.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS one")
        for _ in range(2):
            with (
                scratch.database(FACTS, template=template) as copy,
                copy.connect() as connection,
            ):
                assert connection.execute("DELETE FROM t RETURNING one").fetchall() == [(1,)]


def test_a_template_in_use_is_no_verdict(scratch: ScratchServer) -> None:
    with (
        scratch.database(FACTS) as template,
        template.connect(),
        pytest.raises(VerificationError, match="is being accessed by other users"),
        scratch.database(FACTS, template=template),
    ):
        pass


def test_a_locale_the_server_lacks_is_no_verdict(scratch: ScratchServer) -> None:
    facts = DatabaseFacts("UTF8", "xx_XX.UTF-8", "C", "C")
    with (
        pytest.raises(VerificationError, match="set SCRATCH_DATABASE_URL to a server with"),
        scratch.database(facts),
    ):
        pass


def test_only_what_is_old_and_ours_is_reaped(scratch: ScratchServer) -> None:
    def named(age: timedelta) -> str:
        stamp = (datetime.now(UTC) - age).strftime("%Y%m%dt%H%M%Sz")
        return f"{PREFIX}{stamp}_{uuid.uuid4().hex[:8]}"

    old, young = named(timedelta(hours=3)), named(timedelta(hours=1))
    odd, other = f"{PREFIX}somebodys", "agentarmy-scratch_20200101t000000z_0"
    with scratch.server.connect(autocommit=True) as connection:
        for name in (old, young, odd, other):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            assert scratch.reap(timedelta(hours=2)) == [old]
            assert {young, odd, other} < _databases(scratch)
            assert old not in _databases(scratch)
            assert scratch.reap(timedelta(hours=2)) == []
        finally:
            for name in (old, young, odd, other):
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
                )


def test_roles_are_made_once_without_login_and_see_what_they_must(
    scratch: ScratchServer, role: str
) -> None:
    def attributes() -> object:
        with scratch.server.connect() as connection:
            return connection.execute(
                "SELECT rolcanlogin, rolbypassrls, rolsuper FROM pg_roles WHERE rolname = %s",
                [role],
            ).fetchone()

    scratch.ensure_roles({role: False})
    assert attributes() == (False, False, False)
    scratch.ensure_roles({role: True})
    assert attributes() == (False, True, False)
    # Another tenant's need must not take it away again.
    scratch.ensure_roles({role: False})
    assert attributes() == (False, True, False)


def test_the_server_says_what_it_is(scratch: ScratchServer) -> None:
    with scratch.server.connect() as connection:
        version = connection.execute("SHOW server_version").fetchone()
        names = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
    assert version
    assert version[0].startswith(scratch.server_version())
    assert {(name,) for name in scratch.available_extensions()} == set(names)


def test_a_server_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    nowhere = ScratchServer(ConnInfo({"host": str(tmp_path), "dbname": "postgres"}))
    for ask in (
        nowhere.server_version,
        nowhere.available_extensions,
        lambda: nowhere.ensure_roles({"x": False}),
        lambda: nowhere.reap(timedelta(hours=1)),
        lambda: nowhere.database(FACTS).__enter__(),
    ):
        with pytest.raises(VerificationError, match="the scratch server is not there"):
            ask()
