"""One consistent moment of the live database, and what its catalogues say of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from agentarmy_ops.backups.manifest import OutsideObject, Role, TableSecurity
from agentarmy_ops.errors import BackupRefusedError, DatabaseError
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

Connection = psycopg.Connection[Any]


def query(connection: Connection, name: str, **params: object) -> list[DictRow]:
    """Run ``sql/{name}.sql`` and return its rows as dictionaries.

    Raises:
        DatabaseError: PostgreSQL refused it.
    """
    text = load_sql(__file__, name)
    if b"schema_objects" in text:
        text = load_sql(__file__, "schema_objects") + text
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(text, params).fetchall()
    except psycopg.Error as error:
        raise DatabaseError(f"cannot read the catalogue: {reason(error)}") from error


def security_of(
    connection: Connection, schemas: Sequence[str]
) -> Mapping[str, tuple[TableSecurity, ...]]:
    """Row-level security of every table of each schema, by table name."""
    rows = _by_schema(query(connection, "tables", schemas=list(schemas)))
    return {schema: _security(rows[schema]) for schema in schemas}


def not_valid_of(connection: Connection, schemas: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Constraints never validated and invalid indexes of each schema."""
    rows = _by_schema(query(connection, "not_valid", schemas=list(schemas)))
    return {schema: tuple(row["name"] for row in rows[schema]) for schema in schemas}


def _by_schema(rows: Sequence[DictRow]) -> dict[str, list[DictRow]]:
    grouped: dict[str, list[DictRow]] = defaultdict(list)
    for row in rows:
        grouped[row["schema"]].append(row)
    return grouped


@dataclass(frozen=True)
class Inventory:
    """What the catalogues say of one schema that its archive does not.

    ``tables`` are those that hold rows, and must all be in the archive; ``problems`` are
    reasons why a dump of the schema would not be a backup of it.
    """

    extensions: tuple[str, ...]
    roles: frozenset[Role]
    outside_objects: tuple[OutsideObject, ...]
    left_out: tuple[OutsideObject, ...]
    security: tuple[TableSecurity, ...]
    tables: frozenset[str]
    not_valid: tuple[str, ...]
    problems: tuple[str, ...]

    def refuse_problems(self, slug: str) -> None:
        """Raise for the first problem, if there is one.

        Raises:
            BackupRefusedError: naming the tenant and the object.
        """
        if self.problems:
            raise BackupRefusedError(f"tenant {slug} cannot be backed up: {self.problems[0]}")


NOTHING = Inventory(
    extensions=(),
    roles=frozenset(),
    outside_objects=(),
    left_out=(),
    security=(),
    tables=frozenset(),
    not_valid=(),
    problems=(),
)


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
        for problem in _large_objects(self.connection, columns):
            raise BackupRefusedError(f"the platform part cannot be backed up: {problem}")

    def inventory(self, schemas: Sequence[str]) -> Mapping[str, Inventory]:
        """What the catalogues say of each schema that exists, in a few queries for all."""
        found = _group(self.connection, schemas)
        return {
            schema: _inventory(self.connection, schema, found)
            for schema in schemas
            if schema in self.tenant_schemas
        }


def _group(connection: Connection, schemas: Sequence[str]) -> dict[str, dict[str, list[DictRow]]]:
    """Rows of each inventory query, by query and schema."""
    names = (
        "roles",
        "references",
        "dependents",
        "tables",
        "not_valid",
        "oid_columns",
        "hash_by_enum",
    )
    grouped: dict[str, dict[str, list[DictRow]]] = {}
    for name in names:
        grouped[name] = _by_schema(query(connection, name, schemas=list(schemas)))
    return grouped


def _inventory(
    connection: Connection, schema: str, found: Mapping[str, Mapping[str, list[DictRow]]]
) -> Inventory:
    def rows(name: str) -> list[DictRow]:
        return found[name].get(schema, [])

    references = [row for row in rows("references") if row["extension"] is None]
    return Inventory(
        extensions=tuple(sorted({r["extension"] for r in rows("references") if r["extension"]})),
        roles=roles_of(rows("roles")),
        outside_objects=_objects(references),
        left_out=_objects(rows("dependents")),
        security=_security(rows("tables")),
        tables=frozenset(row["table"] for row in rows("tables") if row["has_rows"]),
        not_valid=tuple(row["name"] for row in rows("not_valid")),
        problems=(
            *_foreign_references(references),
            *_extensions_inside(rows("dependents")),
            *_large_objects(connection, rows("oid_columns")),
            *_hashed_by_enum(rows("hash_by_enum")),
        ),
    )


def _security(tables: Sequence[DictRow]) -> tuple[TableSecurity, ...]:
    return tuple(
        TableSecurity(
            table=row["table"],
            enabled=row["enabled"],
            forced=row["forced"],
            policies=tuple(row["policies"]),
        )
        for row in tables
    )


def roles_of(rows: Sequence[DictRow]) -> frozenset[Role]:
    """Roles out of rows of ``rolname`` and ``bypasses_rls``."""
    return frozenset(Role(name=row["rolname"], bypasses_rls=row["bypasses_rls"]) for row in rows)


def _objects(rows: Sequence[DictRow]) -> tuple[OutsideObject, ...]:
    named = {(row["type"], row["identity"]) for row in rows}
    return tuple(OutsideObject(type=kind, identity=identity) for kind, identity in sorted(named))


def _foreign_references(references: Sequence[DictRow]) -> Iterator[str]:
    for row in references:
        if (row["outside_schema"] or "").startswith(SCHEMA_PREFIX):
            yield (
                f"it refers to {row['type']} {row['identity']} of another tenant's schema, "
                "without which it cannot be restored; remove that reference"
            )


def _extensions_inside(dependents: Sequence[DictRow]) -> Iterator[str]:
    for row in dependents:
        if row["type"] == "extension":
            yield (
                f"extension {row['identity']} is installed in its schema, and a dump of the "
                f"schema leaves it out; move it with ALTER EXTENSION {row['identity']} SET SCHEMA"
            )


def _large_objects(connection: Connection, oid_columns: Sequence[DictRow]) -> Iterator[str]:
    for row in oid_columns:
        counting = sql.SQL(
            "SELECT count(*) FROM {} WHERE {} IN (SELECT oid FROM pg_largeobject_metadata)"
        ).format(sql.Identifier(row["schema"], row["table"]), sql.Identifier(row["column"]))
        try:
            with connection.transaction():  # a savepoint: the snapshot outlives a failure
                found = connection.execute(counting).fetchone()
        except pg.LockNotAvailable:
            yield f"another session keeps its table {row['table']} locked; try again when it ended"
            return
        except psycopg.Error as error:
            raise DatabaseError(f"cannot count large objects: {reason(error)}") from error
        if found and found[0]:
            yield (
                f"{row['table']}.{row['column']} refers to {found[0]} large objects, which "
                "belong to no schema and would be lost; store them in a bytea column"
            )


def _hashed_by_enum(tables: Sequence[DictRow]) -> Iterator[str]:
    for row in tables:
        yield (
            f"table {row['table']} is partitioned by hash of an enum, whose values hash otherwise "
            "after a restore, so that no restore of it can be proved; partition it by list"
        )


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
