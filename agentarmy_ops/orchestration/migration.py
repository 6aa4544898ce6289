"""The schema of Dagster's storage, brought to what this version of Dagster needs."""

from dataclasses import dataclass

import psycopg
from dagster import DagsterInstance
from psycopg.rows import TupleRow

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.text import one_line


@dataclass(frozen=True)
class Migration:
    """Revisions (of Alembic) before and after; ``before`` is None where there was no storage."""

    before: str | None
    after: str | None


def migrate_storage(storage: ConnInfo) -> Migration:
    """Make the tables of Dagster's storage, or bring them to the newest revision. Once they are
    there, nothing is done. Another migration that is under way is waited for.

    ``storage`` is the database that the instance of ``DAGSTER_HOME`` uses.

    Raises:
        DatabaseError: it cannot be reached, or refuses.
    """
    with storage.connect(autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('agentarmy_ops:migrate', 0))")
        before = _revision(connection)
        try:
            with DagsterInstance.get() as instance:
                instance.upgrade()
        except Exception as error:
            raise DatabaseError(
                f"Dagster's storage ({storage}) stays at revision {before or 'none'}, for its "
                f"migration failed: {one_line(str(error))}; mend that and try again"
            ) from error
        return Migration(before, _revision(connection))


def _revision(connection: psycopg.Connection[TupleRow]) -> str | None:
    """What the database's tables are of; None without any."""
    there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if there is None or there[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None
