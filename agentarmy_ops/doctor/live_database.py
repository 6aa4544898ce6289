"""Both URLs of the live database lead to it, and to the same one."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from agentarmy_ops.doctor.finding import Finding, fail, ok
from agentarmy_ops.postgres.conninfo import load_sql

CHECK = "live-database"


@dataclass(frozen=True)
class DatabaseIdentity:
    """Which database a connection leads to, and what the server can take."""

    system_identifier: int
    database: str
    version: str
    size_bytes: int
    lock_slots: int


def identify(connection: psycopg.Connection[TupleRow]) -> DatabaseIdentity:
    """The identity of the connection's database."""
    with connection.cursor(row_factory=class_row(DatabaseIdentity)) as cursor:
        (identity,) = cursor.execute(load_sql(__file__, "identify_database")).fetchall()
        return identity


def check_same_database(owner: DatabaseIdentity, backup: DatabaseIdentity) -> Iterator[Finding]:
    """``DATABASE_URL`` and ``BACKUP_DATABASE_URL`` are one database."""
    if (owner.system_identifier, owner.database) == (backup.system_identifier, backup.database):
        yield ok(CHECK, f"database {owner.database} on PostgreSQL {owner.version}")
        return
    yield fail(
        CHECK,
        f"BACKUP_DATABASE_URL leads to another database ({backup.database}) than DATABASE_URL "
        f"({owner.database})" + ("" if owner.database != backup.database else " of that name"),
        "point both at the application's database",
    )
