"""Servers that the tests are given by URL, as CI gives them; without, they start their own.

The variables are the software's: ``DATABASE_URL`` and ``SCRATCH_DATABASE_URL`` of two PostgreSQL
servers, each as superuser, ``REDIS_URL``, and ``EMBEDDED_POSTGRES_VERSION`` where no server is
given. They are taken out of the environment, and every other setting with them, or tests of
defaults would find them.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql

from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.scratch import PREFIX as SCRATCH_PREFIX
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops.settings import Settings
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE, OWNER_ROLE, ensure_roles
from agentarmy_ops_tests import hard_schema
from agentarmy_ops_tests.databases import PREFIX, let_in, reap

# Left by a run that was killed; no run takes so long.
_LEFT_OVER = timedelta(hours=6)
_DEFAULT_MAJOR = 16
_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
    ORDER BY 1 LIMIT 1
"""


class UnfitServerError(Exception):
    """A server that was given must not be tested with, or cannot be; one line."""


@dataclass(frozen=True)
class Given:
    """What is given. Roles that tests log in as have the superuser's password there."""

    major: int = _DEFAULT_MAJOR
    live: ConnInfo | None = None
    scratch: ConnInfo | None = None
    redis_url: str | None = None
    has_vector: bool = False

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Self:
        """From what :meth:`pack` gave."""
        fields = dict(packed)
        for name in ("live", "scratch"):
            fields[name] = ConnInfo.parse(packed[name]) if packed[name] else None
        return cls(**fields)

    def pack(self) -> dict[str, Any]:
        """For another process: text and numbers only. Holds the passwords."""
        urls = {
            name: server.url if server else None
            for name, server in (("live", self.live), ("scratch", self.scratch))
        }
        return {**vars(self), **urls}

    def for_worker(self, name: str) -> Self:
        """The same for one of several processes, who is a superuser of its own on the scratch
        server: by its owner a database there is known from those of others."""
        if self.scratch is None:
            return self
        for server in (self.live, self.scratch):
            assert server is not None
            _ensure_login(server, worker := f"test_scratch_{name}", "SUPERUSER")
        return replace(self, scratch=self.scratch.with_params(user=worker))


def take_settings(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Remove all settings from the environment; returns those that were set."""
    names = [name.upper() for name in Settings.model_fields]
    return {name: value for name in names if (value := environment.pop(name, ""))}


def prepare(variables: Mapping[str, str]) -> Given:
    """What the variables give, looked at and made ready: roles are there, and databases that a
    killed run left are not.

    Raises:
        UnfitServerError: a server holds something, or is not what is needed.
    """
    try:
        return _prepare(variables)
    except OpsError as error:
        raise UnfitServerError(str(error)) from None
    except psycopg.Error as error:
        raise UnfitServerError(f"a server for tests refuses: {reason(error)}") from None


def _prepare(variables: Mapping[str, str]) -> Given:
    major = int(variables.get("EMBEDDED_POSTGRES_VERSION", _DEFAULT_MAJOR))
    given = Given(major, redis_url=variables.get("REDIS_URL"))
    names = ("DATABASE_URL", "SCRATCH_DATABASE_URL")
    urls = [variables.get(name) for name in names]
    if urls == [None, None]:
        return given
    if None in urls:
        raise UnfitServerError(f"the tests need {' and '.join(names)}, or neither of them")
    live, scratch = (ConnInfo.parse(str(url), name=n) for n, url in zip(names, urls, strict=True))
    looked_at = [
        _look_at(name, server) for name, server in zip(names, (live, scratch), strict=True)
    ]
    (live_major, live_id, live_vector), (scratch_major, scratch_id, scratch_vector) = looked_at
    if live_id == scratch_id:
        raise UnfitServerError("DATABASE_URL and SCRATCH_DATABASE_URL must be two servers")
    if live_major != scratch_major:
        raise UnfitServerError(
            f"DATABASE_URL is PostgreSQL {live_major} and SCRATCH_DATABASE_URL {scratch_major}; "
            "the tests need two servers of one major"
        )
    for server in (live, scratch):
        _make_ready(server)
    return replace(
        given,
        major=live_major,
        live=live,
        scratch=scratch,
        has_vector=live_vector and scratch_vector,
    )


def _look_at(name: str, server: ConnInfo) -> tuple[int, int, bool]:
    """Its major, its identity, and whether it has extension vector."""
    with server.connect(autocommit=True) as connection:
        found = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, rolsuper,"
            " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert found is not None
        major, is_superuser, has_vector = found
        if not is_superuser:
            raise UnfitServerError(f"{name}: the tests need a superuser, which {server} is not")
        (identity,) = connection.execute(
            "SELECT system_identifier FROM pg_control_system()"
        ).fetchone() or (0,)
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1"
        ).fetchall()
    for (database,) in databases:
        if not database.startswith((PREFIX, SCRATCH_PREFIX)):
            _refuse_tables(name, server.with_params(dbname=database))
    return major, identity, has_vector


def _refuse_tables(name: str, database: ConnInfo) -> None:
    with database.connect(autocommit=True) as connection:
        for (table,) in connection.execute(_TABLES).fetchall():
            raise UnfitServerError(
                f"{name}: {database} holds {table}; the tests need a server that exists for tests "
                f"only, for they make roles there, and drop databases named {PREFIX}*"
            )


def _make_ready(server: ConnInfo) -> None:
    """Roles belong to the whole server, and two processes that alter one at once fail: so all are
    made here, before there are several."""
    hard_schema.create_roles(server)
    with server.connect(autocommit=True) as connection:
        ensure_roles(connection)
    for role in (OWNER_ROLE, BACKUP_ROLE):
        _ensure_login(server, role)
    reap(server, _LEFT_OVER)
    ScratchServer(server).reap(_LEFT_OVER)


def _ensure_login(server: ConnInfo, role: str, attributes: LiteralString = "") -> None:
    with server.connect(autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        verb: LiteralString = "CREATE" if found is None else "ALTER"
        statement = sql.SQL(f"{verb} ROLE {{}} LOGIN {attributes}")
        connection.execute(statement.format(sql.Identifier(role)))
    let_in(server, role)


def scratch_databases(server: ConnInfo) -> list[str]:
    """Names of the scratch databases on a server that this process's tests made."""
    with server.connect() as connection:
        rows: Iterable[Any] = connection.execute(
            "SELECT datname FROM pg_database"
            " WHERE starts_with(datname, %s) AND datdba = current_user::regrole ORDER BY 1",
            [SCRATCH_PREFIX],
        ).fetchall()
    return [name for (name,) in rows]
