"""The embedded servers below ``AGENTARMY_HOME``, with the roles and databases we need there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import (
    LIVE_CONFIGURATION,
    SCRATCH_CONFIGURATION,
    start_embedded,
    stop_embedded,
)
from agentarmy_ops.tenants.bootstrap import ensure_registry, ensure_roles

APPLICATION_DATABASE = "agentarmy"
DAGSTER_DATABASE = "dagster"
# A role of its own, so that default privileges of the application's roles do not act on what
# is restored.
SCRATCH_ROLE = "agentarmy_scratch"


def start_live(home: Path, major: int) -> ConnInfo:
    """The superuser of the embedded live server, its roles and databases made.

    Raises:
        DatabaseError: it does not start.
    """
    server = start_embedded(
        home / f"postgres-{major}", major=major, configuration=LIVE_CONFIGURATION
    )
    with server.connect(autocommit=True) as connection, _once(connection):
        for name in (APPLICATION_DATABASE, DAGSTER_DATABASE):
            if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", name):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with server.with_params(dbname=APPLICATION_DATABASE).connect() as connection:
        ensure_roles(connection)
        ensure_registry(connection)
    return server


def start_scratch(home: Path, major: int) -> ConnInfo:
    """The embedded scratch server of a major, as a superuser of its own.

    Raises:
        ConfigurationError: none comes in that major.
        DatabaseError: it does not start.
    """
    if major not in (16, 18):
        raise ConfigurationError(
            f"no embedded scratch server is PostgreSQL {major}; set SCRATCH_DATABASE_URL to a "
            f"throw-away PostgreSQL {major}"
        )
    server = start_embedded(
        home / f"scratch-{major}", major=major, configuration=SCRATCH_CONFIGURATION
    )
    with server.connect(autocommit=True) as connection, _once(connection):
        if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", SCRATCH_ROLE):
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(SCRATCH_ROLE))
            )
    return server.with_params(user=SCRATCH_ROLE)


def stop_all(home: Path) -> list[str]:
    """Stop the embedded servers below ``home``, whoever uses them; returns their names."""
    running = sorted(path.parent for path in home.glob("*/postmaster.pid"))
    for data_dir in running:
        stop_embedded(data_dir)
    return [data_dir.name for data_dir in running]


def refuse_live(scratch: ConnInfo, live: ConnInfo) -> None:
    """Raise when the two are one server: its identifier is made by initdb.

    Raises:
        ConfigurationError: they are.
        DatabaseError: one cannot be reached.
    """
    identifiers = []
    for conninfo in (scratch, live):
        with conninfo.connect() as connection:
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
            identifiers.append(row)
    if identifiers[0] == identifiers[1]:
        raise ConfigurationError(
            "SCRATCH_DATABASE_URL is the live server; name a throw-away server of its own"
        )


@contextmanager
def _once(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """One process at a time in this block: what is looked for and made stays the same."""
    connection.execute("SELECT pg_advisory_lock(hashtextextended('agentarmy_ops:embedded', 0))")
    yield
    connection.execute("SELECT pg_advisory_unlock_all()")


def _exists(connection: psycopg.Connection[TupleRow], query: str, value: str) -> bool:
    return connection.execute(query, [value]).fetchone() is not None
