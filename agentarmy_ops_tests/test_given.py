"""Servers that are given by URL are for tests only, or they are refused before anything is changed
there; tried on embedded ones."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.databases import (
    PREFIX,
    create_database,
    drop_all,
    drop_database,
    program_dsn,
    reap,
)
from agentarmy_ops_tests.fix_postgres import Servers
from agentarmy_ops_tests.given import Given, UnfitServerError, prepare, take_settings


@pytest.fixture
def live(embedded_live_servers: Servers) -> ConnInfo:
    """A server as it might be given."""
    return embedded_live_servers(16)


@pytest.fixture
def scratch(embedded_scratch_servers: Servers) -> ConnInfo:
    """Another of its major."""
    return embedded_scratch_servers(16)


@pytest.fixture
def used(live: ConnInfo) -> Iterator[ConnInfo]:
    """A database that is not one of tests."""
    database = live.with_params(dbname=f"somebodys_{uuid.uuid4().hex[:8]}")
    name = sql.Identifier(database.params["dbname"])
    with live.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield database
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _prepare(live: ConnInfo, scratch: ConnInfo, **more: str) -> Given:
    return prepare({"DATABASE_URL": live.url, "SCRATCH_DATABASE_URL": scratch.url, **more})


def _refusal(act: Callable[[], object]) -> str:
    with pytest.raises(UnfitServerError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_settings_are_taken_out_and_nothing_else() -> None:
    environment = {"DATABASE_URL": "x", "KEEP_DAILY": "", "HOME": "/root", "DAGSTER_HOME": "/d"}
    assert take_settings(environment) == {"DATABASE_URL": "x"}
    assert environment == {"HOME": "/root", "DAGSTER_HOME": "/d"}


def test_without_any_the_embedded_ones_are_meant() -> None:
    assert prepare({}) == Given(16)
    assert prepare({"EMBEDDED_POSTGRES_VERSION": "18", "REDIS_URL": "redis://r"}) == Given(
        18, redis_url="redis://r"
    )


def test_two_that_fit(live: ConnInfo, scratch: ConnInfo) -> None:
    given = _prepare(live, scratch, REDIS_URL="redis://:s3cret@r/0")
    assert (given.major, given.live, given.scratch) == (16, live, scratch)
    assert given.has_vector
    assert Given.unpack(given.pack()) == given
    worker = given.for_worker("gw7")
    assert worker.scratch == scratch.with_params(user="test_scratch_gw7")
    with worker.scratch.connect() as connection:
        found = connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        assert found.fetchone() == (True,)


@pytest.mark.parametrize("name", ["DATABASE_URL", "SCRATCH_DATABASE_URL"])
def test_one_alone_is_refused(live: ConnInfo, name: str) -> None:
    expected = "the tests need DATABASE_URL and SCRATCH_DATABASE_URL, or neither of them"
    assert _refusal(lambda: prepare({name: live.url})) == expected


@pytest.mark.parametrize("is_scratch", [False, True])
def test_a_server_in_use_is_refused_before_anything_is_changed(
    live: ConnInfo, scratch: ConnInfo, used: ConnInfo, is_scratch: bool
) -> None:
    old = f"{PREFIX}20200101t0000_{uuid.uuid4().hex[:12]}"
    with live.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(old)))
        try:
            with used.connect() as theirs:
                theirs.execute("CREATE SCHEMA shared; CREATE TABLE shared.tenants ()")
            pair = (scratch, live) if is_scratch else (live, scratch)
            refusal = _refusal(lambda: _prepare(*pair))
            assert refusal.startswith("SCRATCH_" if is_scratch else "DATABASE_URL: ")
            assert used.params["dbname"] in refusal
            assert "holds shared.tenants" in refusal
            query = "SELECT count(*) FROM pg_database WHERE datname = %s"
            assert connection.execute(query, [old]).fetchone() == (1,)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(old)))


def test_any_table_is_somebody_s(live: ConnInfo, scratch: ConnInfo, used: ConnInfo) -> None:
    _prepare(live, scratch)  # an empty database is nobody's
    with used.connect() as connection:
        connection.execute("CREATE EXTENSION vector")
    _prepare(live, scratch)
    with used.connect() as connection:
        connection.execute("CREATE TABLE ledger (id int) PARTITION BY LIST (id)")
    assert "holds public.ledger" in _refusal(lambda: _prepare(live, scratch))


def test_tables_in_databases_of_tests_are_theirs(live: ConnInfo, scratch: ConnInfo) -> None:
    database = create_database(live)
    with database.connect() as connection:
        connection.execute("CREATE TABLE t ()")
    _prepare(live, scratch)
    drop_database(database)


def test_one_server_twice_is_refused(live: ConnInfo) -> None:
    other = live.with_params(dbname="template1")
    assert "must be two servers" in _refusal(lambda: _prepare(live, other))


def test_two_majors_are_refused(live: ConnInfo, embedded_scratch_servers: Servers) -> None:
    refusal = _refusal(lambda: _prepare(live, embedded_scratch_servers(18)))
    assert "PostgreSQL 16 and SCRATCH_DATABASE_URL 18; " in refusal


def test_who_is_no_superuser_is_refused(live: ConnInfo, scratch: ConnInfo) -> None:
    _prepare(live, scratch)
    owner = live.with_params(user="agentarmy_owner")
    assert "the tests need a superuser" in _refusal(lambda: _prepare(owner, scratch))


def test_a_server_that_is_not_there_is_named_and_its_password_is_not(scratch: ConnInfo) -> None:
    nowhere = ConnInfo.parse("postgresql://u:s3cret@127.0.0.1:1/x")
    refusal = _refusal(lambda: _prepare(nowhere, scratch))
    assert "u@127.0.0.1:1/x" in refusal
    assert "s3cret" not in refusal


def test_only_what_tests_left_long_ago_is_dropped(live: ConnInfo) -> None:
    now = datetime.now(UTC)
    old, young = (
        f"{PREFIX}{now - timedelta(hours=hours):%Y%m%dt%H%M}_{uuid.uuid4().hex[:12]}"
        for hours in (7, 5)
    )
    odd = f"{PREFIX}odd_{uuid.uuid4().hex[:8]}"
    with live.connect(autocommit=True) as connection:
        for name in (old, young, odd):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        assert reap(live, timedelta(hours=6)) == [old]
        for name in (young, odd):  # they are there
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_what_is_left_at_the_end_is_dropped(live: ConnInfo, scratch: ConnInfo) -> None:
    here, there = create_database(live), create_database(scratch)
    drop_all(live.with_params(user="somebody"))
    with here.connect(), there.connect():
        pass
    drop_all(scratch)
    with here.connect():
        pass
    with pytest.raises(Exception, match="does not exist"):
        there.connect()
    drop_database(here)


def test_a_program_s_arguments_hold_no_password() -> None:
    database = ConnInfo({"host": "h", "dbname": "d"}, "s3:c\\ret")
    dsn = program_dsn(database)
    assert "s3" not in dsn
    found: Any = ConnInfo.parse(dsn)
    passfile = Path(found.params.pop("passfile"))
    assert passfile.read_text() == "*:*:*:*:s3\\:c\\\\ret\n"
    assert passfile.stat().st_mode & 0o077 == 0
    assert found.params == {"host": "h", "dbname": "d"}
