"""The servers the bench measures on, and how they are configured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import (
    LIVE_CONFIGURATION,
    SCRATCH_CONFIGURATION,
    start_embedded,
)

# A live server as an operator would run it on a machine of this kind, with as many locks as
# docs/batches.md advises for a fleet. Only writing profits from
# wal_level (no replica is there to feed), and autovacuum would run at moments of its own choice;
# what it would have done to the catalogues is done after each growth of a fleet.
LIVE = {
    **LIVE_CONFIGURATION,
    "max_locks_per_transaction": "1024",
    "shared_buffers": "2GB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


def start_live(home: Path, major: int) -> ConnInfo:
    """The live server of a major, below ``home``."""
    return start_embedded(home / f"live-{major}", major=major, configuration=LIVE)


def start_scratch(home: Path, major: int) -> ConnInfo:
    """The scratch server of a major, below ``home``, configured as the project configures it."""
    return start_embedded(
        home / f"scratch-{major}", major=major, configuration=SCRATCH_CONFIGURATION
    )


@contextmanager
def building(server: ConnInfo) -> Iterator[None]:
    """No fsync while data is made; on again, with everything on disk, when it is measured."""
    with server.connect(autocommit=True) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = 'off'").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            # All at once: fsync of each of some hundred thousand files takes minutes.
            connection.execute("CHECKPOINT")
            os.sync()
            connection.execute("ALTER SYSTEM RESET ALL")
            connection.execute("SELECT pg_reload_conf()")


def create_database(server: ConnInfo, name: str) -> ConnInfo:
    """Make an empty database."""
    with server.connect(autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
        )
    return server.with_params(dbname=name)


def drop_databases(server: ConnInfo, prefix: str) -> None:
    """Drop every database whose name begins with ``prefix``, those of interrupted runs too."""
    with server.connect(autocommit=True) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]
        ).fetchall()
        for (name,) in names:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )
