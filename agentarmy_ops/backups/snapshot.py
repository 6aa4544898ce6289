"""One consistent moment of the live database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import psycopg
from psycopg.rows import DictRow

from agentarmy_ops.backups.inventory import (
    Inventory,
    large_objects,
    read_inventories,
    roles_of,
)
from agentarmy_ops.backups.manifest import Role
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.errors import BackupRefusedError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX


@dataclass(frozen=True)
class Snapshot:
    """An open, read-only transaction whose snapshot pg_dump can share."""

    connection: Connection
    facts: DictRow

    @property
    def exported(self) -> str:
        """The snapshot's identifier for ``pg_dump --snapshot``."""
        return str(self.facts["exported"])

    @property
    def taken_at(self) -> datetime:
        """When the transaction began."""
        taken_at: datetime = self.facts["taken_at"]
        return taken_at

    @property
    def server_major(self) -> int:
        """The server's PostgreSQL major."""
        return self.connection.info.server_version // 10000

    @cached_property
    def tenant_schemas(self) -> list[str]:
        """Every schema named like a tenant's, registered or not."""
        rows = query(self.connection, "schemas_with_prefix", prefix=SCHEMA_PREFIX)
        return [row["nspname"] for row in rows]

    @cached_property
    def platform_schemas(self) -> list[str]:
        """Every other schema but the system's."""
        rows = query(self.connection, "schemas_without_prefix", prefix=SCHEMA_PREFIX)
        return [row["nspname"] for row in rows]

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """Every role of the server, by name."""
        return {role.name: role for role in roles_of(query(self.connection, "all_roles"))}

    def rewritten(self, schemas: Sequence[str]) -> Mapping[str, str]:
        """Schemas with a table whose rows this snapshot no longer sees, with its name. To be asked
        when the tables are locked, for it says nothing of what happens later."""
        rows = query(self.connection, "rewritten", schemas=list(schemas))
        return {row["schema"]: row["table"] for row in rows}

    def refuse_large_objects(self, schemas: Sequence[str]) -> None:
        """Raise when a table of these schemas refers to large objects, which are in no backup.

        Raises:
            BackupRefusedError: naming the table.
        """
        columns = query(self.connection, "oid_columns", schemas=schemas)
        for problem in large_objects(self.connection, columns):
            raise BackupRefusedError(f"the platform part cannot be backed up: {problem}")

    def inventory(self, schemas: Sequence[str]) -> Mapping[str, Inventory]:
        """What the catalogues say of each schema that exists, in a few queries for all."""
        there = set(self.tenant_schemas)
        return read_inventories(self.connection, [name for name in schemas if name in there])


def no_timeouts(connection: Connection) -> None:
    """Let the session be as idle, and its transaction as long, as a backup takes; pg_dump does
    the same for its own.

    Raises:
        DatabaseError: PostgreSQL refused it.
    """
    query(connection, "no_timeouts")


def refuse_blind_role(connection: Connection) -> None:
    """Raise when row-level security would hide rows from a backup.

    Raises:
        BackupRefusedError: the role has neither BYPASSRLS nor superuser.
    """
    (role,) = query(connection, "role")
    if not role["sees_all_rows"]:
        raise BackupRefusedError(
            f"role {role['rolname']} cannot see all rows: it has neither BYPASSRLS nor "
            "superuser; back up as agentarmy_backup (BACKUP_DATABASE_URL)"
        )


@contextmanager
def open_snapshot(conninfo: ConnInfo, *, lock_timeout_seconds: int = 60) -> Iterator[Snapshot]:
    """Open a snapshot of the live database that lasts as long as the ``with`` block; it waits
    up to ``lock_timeout_seconds`` for a table.

    Raises:
        BackupRefusedError: the role would not see every row of a table with row-level security.
        DatabaseError: the server cannot be reached or refuses.
    """
    with conninfo.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        no_timeouts(connection)
        query(connection, "lock_timeout", value=f"{lock_timeout_seconds}s")
        refuse_blind_role(connection)
        (facts,) = query(connection, "snapshot")
        # The planner takes the schemas' objects for a handful of rows; its nested loops over
        # pg_depend then take 40 times as long as hash joins (two schemas of 1,000 objects).
        connection.execute("SET LOCAL enable_nestloop = off")
        yield Snapshot(connection, facts)
        # If the session was lost, those who needed it have said so.
        with suppress(psycopg.Error):
            connection.rollback()
