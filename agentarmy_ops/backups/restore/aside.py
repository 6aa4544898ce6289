"""Schemas that were put aside: how they are named, found, brought back and dropped.

A schema aside says in its comment whose it is; its name is for people and may be cut short.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.errors import RestoreError, RestoreRefusedError
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.slug import schema_name

BEFORE = "before"
UNDONE = "undone"
TABLES = "tables"
_MARK = "kept aside by agentarmy-ops: "
_LONGEST = 63  # bytes of an identifier (NAMEDATALEN - 1); ours are ASCII
# The capital T keeps it apart from every tenant's schema, whose name is in small letters.
_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class Aside:
    """A schema that was a tenant's and is kept. ``why`` is ``before`` (a restore) or ``undone``;
    ``replaced_by`` is the backup, or the schema, that took its place; ``comment`` is the
    schema's own.

    Or one that holds ``tables`` of the backup ``replaced_by``, which took no schema's place.
    """

    schema: str
    slug: str
    put_aside_at: datetime
    why: str
    replaced_by: str
    comment: str | None


def put_aside(connection: Connection, slug: str, *, why: str, replaced_by: str) -> Aside:
    """Rename the tenant's schema, in the current transaction. Takes no lock on its tables.

    Raises:
        RestoreError: PostgreSQL refuses.
    """
    now = datetime.now(UTC)
    (facts,) = query(connection, "schema_comment", beside=__file__, schema=schema_name(slug))
    aside = Aside(
        free_name(connection, slug, why, now), slug, now, why, replaced_by, facts["comment"]
    )
    rename_schema(connection, schema_name(slug), aside.schema)
    mark(connection, aside)
    return aside


def mark(connection: Connection, aside: Aside) -> None:
    """Say in the schema's comment what it is, in the current transaction.

    Raises:
        RestoreError: PostgreSQL refuses.
    """
    _comment(connection, aside.schema, _MARK + _encode(aside))


def bring_back(connection: Connection, aside: Aside) -> None:
    """Give a schema that is aside the tenant's name, in the current transaction.

    Raises:
        RestoreError: PostgreSQL refuses.
    """
    rename_schema(connection, aside.schema, schema_name(aside.slug))
    _comment(connection, schema_name(aside.slug), aside.comment)


def find_asides(connection: Connection, slug: str | None = None) -> list[Aside]:
    """Schemas that are aside, of one tenant or all, the newest last.

    Raises:
        DatabaseError: the catalogue cannot be read.
    """
    rows = query(connection, "commented_schemas", beside=__file__, prefix=_MARK)
    found = (_decode(row["schema"], row["comment"].removeprefix(_MARK)) for row in rows)
    ours = [aside for aside in found if aside and slug in (None, aside.slug)]
    return sorted(ours, key=lambda aside: (aside.put_aside_at, aside.schema))


def choose_aside(asides: Sequence[Aside], slug: str, name: str | None) -> Aside:
    """The newest, or the one of that name.

    Raises:
        RestoreRefusedError: there is none.
    """
    named = [aside for aside in asides if name in (None, aside.schema)]
    if not named:
        there = ", ".join(aside.schema for aside in asides) or "none"
        raise RestoreRefusedError(
            f"tenant {slug} has no schema aside{f' named {name}' if name else ''} (there are: "
            f"{there})"
        )
    return named[-1]


def drop_aside(connection: Connection, aside: Aside) -> None:
    """Drop a schema that is aside with all that is in it, in the current transaction.

    Raises:
        RestoreRefusedError: something outside of it depends on it, and would go, too.
        RestoreError: PostgreSQL refuses.
    """
    rows = query(connection, "dependents", schemas=[aside.schema])
    if rows:
        named = ", ".join(f"{row['type']} {row['identity']}" for row in rows[:3])
        raise RestoreRefusedError(
            f"schema {aside.schema} is not dropped: {named} depends on it; drop that first"
        )
    try:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(aside.schema)))
    except psycopg.Error as error:
        raise RestoreError(f"schema {aside.schema} was not dropped: {reason(error)}") from error


def free_name(connection: Connection, slug: str, why: str, now: datetime) -> str:
    """``tenant_acme__before_20261123T021503``; the second is moved on where it is taken."""
    while True:
        suffix = f"__{why}_{now.strftime(_STAMP)}"
        name = schema_name(slug)[: _LONGEST - len(suffix)] + suffix
        if not query(connection, "schema_comment", beside=__file__, schema=name):
            return name
        now += timedelta(seconds=1)


def _encode(aside: Aside) -> str:
    return json.dumps(
        {
            "tenant": aside.slug,
            "put_aside_at": aside.put_aside_at.isoformat(),
            "why": aside.why,
            "replaced_by": aside.replaced_by,
            "comment": aside.comment,
        }
    )


def _decode(schema: str, text: str) -> Aside | None:
    try:
        facts = json.loads(text)
        return Aside(
            schema=schema,
            slug=str(facts["tenant"]),
            put_aside_at=datetime.fromisoformat(facts["put_aside_at"]),
            why=str(facts["why"]),
            replaced_by=str(facts["replaced_by"]),
            comment=facts["comment"],
        )
    except (ValueError, KeyError, TypeError):
        return None  # somebody changed the comment: no longer ours to touch


def rename_schema(connection: Connection, old: str, new: str) -> None:
    """Rename a schema, in the current transaction.

    Raises:
        RestoreError: PostgreSQL refuses.
    """
    statement = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    try:
        connection.execute(statement.format(sql.Identifier(old), sql.Identifier(new)))
    except psycopg.Error as error:
        raise RestoreError(f"schema {old} cannot be renamed: {reason(error)}") from error


def _comment(connection: Connection, schema: str, text: str | None) -> None:
    statement = sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(schema), text)
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        raise RestoreError(f"schema {schema} takes no comment: {reason(error)}") from error
