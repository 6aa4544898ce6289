"""Restore single tables of a backup into a schema beside the tenant's, to pick rows from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import LiteralString

from psycopg import sql

from agentarmy_ops.archive.exclude import with_dependents
from agentarmy_ops.archive.fingerprint import text
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.aside import TABLES, Aside, free_name, mark, rename_schema
from agentarmy_ops.backups.restore.copy_scratch import (
    DATA,
    PRE_DATA,
    ScratchCopy,
    ScratchFor,
    inside_sections,
    outside_sections,
    scratch_bench,
)
from agentarmy_ops.backups.restore.load import Loadable, load, locked
from agentarmy_ops.backups.restore.plan import RestorePlan, make_plan
from agentarmy_ops.backups.restore.script import table_data
from agentarmy_ops.backups.restore.session import Restorer, exchange, open_session
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, read_stored
from agentarmy_ops.errors import RestoreRefusedError

# What ties a table to others, acts when rows are written, or needs other tables' rows.
_LEFT_OUT = frozenset({b"FK CONSTRAINT", b"TRIGGER", b"RULE", b"MATERIALIZED VIEW DATA"})
_DROP: Mapping[str, LiteralString] = {
    "r": "DROP TABLE IF EXISTS {} CASCADE",
    "p": "DROP TABLE IF EXISTS {} CASCADE",
    "f": "DROP FOREIGN TABLE IF EXISTS {} CASCADE",
    "v": "DROP VIEW IF EXISTS {} CASCADE",
    "m": "DROP MATERIALIZED VIEW IF EXISTS {} CASCADE",
}
_SHOWN = 20


@dataclass(frozen=True)
class TablesResult:
    """Tables of a backup in the schema ``beside``, with their numbers of rows, by name."""

    plan: RestorePlan
    beside: Aside
    rows: Mapping[str, int]
    seconds: float


def plan_tables(restorer: Restorer, choice: Choice) -> RestorePlan:
    """What restoring tables would do; nothing is changed. The tenant's schema is not replaced,
    so nothing that depends on it is in the way.

    Raises:
        DatabaseError: the database cannot be reached or read.
    """
    with open_session(restorer) as connection:
        return make_plan(connection, choice, beside=True)


def restore_tables(
    restorer: Restorer, scratch_for: ScratchFor, choice: Choice, tables: Sequence[str]
) -> TablesResult:
    """Put tables of a backup, a parent with its partitions, into a schema of their own.

    They keep their owner, grants, constraints, indexes and row-level security, but no foreign key,
    trigger or rule. Tables that they cannot be without come with them, empty: one whose rows are
    the type of a column, one that a policy reads. The tenant's own schema is not touched.

    Raises:
        RestoreRefusedError: something speaks against it; nothing was touched.
        RestoreError: it failed and was rolled back.
        TenantBusyError: another operation holds the tenant's lock.
        OpsError: the backup or the database cannot be read.
    """
    watch, slug = restorer.watch, choice.tenant.slug
    plan_tables(restorer, choice).refuse()
    watch(Step.READ, "")
    archive = read_stored(restorer.store, restorer.keys, choice)
    _refuse_unknown(archive, tables)
    now = datetime.now(UTC)
    with open_session(restorer) as connection:
        name = free_name(connection, slug, TABLES, now)
    beside = Aside(name, slug, now, TABLES, choice.manifest.backup_id, None)
    watch(Step.SCRATCH, "")
    with (
        _chosen(scratch_bench(restorer, scratch_for, choice), archive, tables, name) as (
            chosen,
            kept,
        ),
        locked(restorer, chosen, slug) as (connection, script),
    ):
        plan = make_plan(connection, choice, beside=True)
        plan.refuse()  # what was seen before the lock may be past
        started = monotonic()
        with exchange(restorer, connection, slug):
            load(connection, chosen, script, watch)
            mark(connection, beside)
        watch(Step.DONE, "")
        counted = {
            t.table: t.rows for t in chosen.description.fingerprint.tables if t.table in kept
        }
        return TablesResult(plan, beside, counted, monotonic() - started)


def _refuse_unknown(archive: Loadable, tables: Sequence[str]) -> None:
    there = sorted(text(e.tag) for e in archive.description.toc.entries if e.desc == b"TABLE")
    unknown = [table for table in tables if table not in there]
    if unknown:
        shown = ", ".join(there[:_SHOWN]) + (" and more" if len(there) > _SHOWN else "")
        raise RestoreRefusedError(
            f"the backup has no table {', '.join(unknown)} (nothing was touched); it has {shown}"
        )


@contextmanager
def _chosen(
    bench: AbstractContextManager[ScratchCopy],
    archive: Loadable,
    tables: Sequence[str],
    name: str,
) -> Iterator[tuple[Loadable, set[str]]]:
    """The backup in a scratch database, rid of everything but the tables and what they need; and
    the names of the tables, partitions among them."""
    schema, toc = archive.schema, archive.description.toc
    with bench as scratch:
        scratch.restore(archive, outside_sections(archive, PRE_DATA))
        with scratch.session() as connection:
            kept = _with_partitions(connection, schema, tables)
        unwanted = {entry.dump_id for entry in table_data(toc) if text(entry.tag) not in kept}
        scratch.restore(archive, outside_sections(archive, DATA) | unwanted)
        # With their comments.
        tied = with_dependents(toc, {e.dump_id for e in toc.entries if e.desc in _LEFT_OUT})
        scratch.restore(archive, inside_sections(archive, PRE_DATA, DATA) | tied)
        with scratch.session() as connection:
            _drop_others(connection, schema, kept)
            rename_schema(connection, schema, name)
        yield scratch.dump(name, archive.tenant_id), kept


def _with_partitions(connection: Connection, schema: str, tables: Sequence[str]) -> set[str]:
    pairs = query(connection, "inheritance", beside=__file__, schema=schema)
    kept: set[str] = set()
    more = set(tables)
    while more:
        kept |= more
        more = {p["child"] for p in pairs if p["is_partition"] and p["parent"] in kept} - kept
    return kept


def _drop_others(connection: Connection, schema: str, kept: set[str]) -> None:
    """Drop tables and views that are neither kept nor needed; a kept child of a dropped parent is
    let go of."""
    for pair in query(connection, "inheritance", beside=__file__, schema=schema):
        child, parent = (
            sql.Identifier(schema, pair["child"]),
            sql.Identifier(schema, pair["parent"]),
        )
        if pair["child"] not in kept or pair["parent"] in kept:
            continue
        if pair["is_partition"]:
            statement = sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(parent, child)
        else:
            statement = sql.SQL("ALTER TABLE {} NO INHERIT {}").format(child, parent)
        connection.execute(statement)
    # CASCADE would take a column with the table whose row type it has.
    rows = query(connection, "needed_relations", beside=__file__, schema=schema, tables=list(kept))
    needed = {row["name"] for row in rows}
    for row in query(connection, "relations", beside=__file__, schema=schema):
        if row["name"] not in needed:
            relation = sql.Identifier(schema, row["name"])
            connection.execute(sql.SQL(_DROP[row["kind"]]).format(relation))
