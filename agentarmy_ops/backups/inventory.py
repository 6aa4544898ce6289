"""What the live catalogues say of tenants' schemas that their archives do not."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import DictRow

from agentarmy_ops.backups.manifest import OutsideObject, Role, TableSecurity
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.errors import BackupRefusedError, DatabaseError
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX


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


def read_inventories(connection: Connection, schemas: Sequence[str]) -> dict[str, Inventory]:
    """The inventory of each schema, in a few queries for all.

    Raises:
        DatabaseError: the catalogue cannot be read.
    """
    found = _group(connection, schemas)
    return {schema: _inventory(connection, schema, found) for schema in schemas}


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
            *large_objects(connection, rows("oid_columns")),
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


def large_objects(connection: Connection, oid_columns: Sequence[DictRow]) -> Iterator[str]:
    """Why tables with these columns, which may refer to large objects, cannot be backed up.

    Raises:
        DatabaseError: the tables cannot be read.
    """
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
