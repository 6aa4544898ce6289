"""``agentarmy-ops diff``."""

from collections.abc import Iterator

import click

from agentarmy_ops.backups.catalog import find_backup, latest_backup, load_manifest
from agentarmy_ops.backups.diff.report import TableDiff, TenantDiff
from agentarmy_ops.backups.diff.tenant import diff_tenant
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.options import LATEST, SlugType, backup_option
from agentarmy_ops.cli.output import json_option, note, print_facts, print_json, print_table
from agentarmy_ops.errors import BackupNotFoundError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_tenant


@click.command(
    short_help="Show what has changed since a backup.",
    epilog="""\b
Examples:
  agentarmy-ops diff acme
  agentarmy-ops diff acme --backup 20261123T021503Z-7f3a9c --table users --keys 5
  agentarmy-ops diff acme --json | jq '.tables[] | select(.removed > 0)'

Changes nothing: reads the live tenant in one snapshot, and the archive only if something differs.
Exit codes: 0 no differences, 9 differences, others as everywhere. More in docs/diff.md.""",
)
@click.argument("slug", type=SlugType())
@backup_option("This backup, instead of the latest.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="NAME",
    help="Compare the rows of this table only; may be given several times.",
)
@click.option(
    "--keys",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Show up to N primary keys per table and kind of change. They may be personal data.",
)
@json_option
def diff(slug: str, backup_id: str, tables: tuple[str, ...], keys: int, as_json: bool) -> None:
    """Show what has changed in the live tenant SLUG since a backup, the latest by default.

    Definitions that were added, removed or changed, and of each table how many rows.
    """
    runtime = Runtime()
    found = diff_tenant(
        runtime.source(),
        runtime.store,
        _manifest(runtime, slug, backup_id),
        tables=tables,
        examples=keys,
    )
    if as_json:
        print_json({**found.model_dump(mode="json"), "differs": found.differs})
    else:
        _print(found)
    _note_upgrade(found)
    if found.differs:
        raise click.exceptions.Exit(ExitCode.DIFFERS)


def _manifest(runtime: Runtime, slug: str, backup_id: str) -> Manifest:
    """The backup to compare with.

    Raises:
        TenantNotFoundError: there is no backup of the slug, and no such tenant either.
        BackupNotFoundError: there is no such backup.
    """
    store = runtime.store
    try:
        latest = backup_id == LATEST
        entry = latest_backup(store, slug) if latest else find_backup(store, slug, backup_id)
    except BackupNotFoundError:
        with runtime.registry() as connection:
            read_tenant(connection, slug)
        raise
    return load_manifest(store, entry.ref)


def _print(found: TenantDiff) -> None:
    print_facts(
        (
            ("backup", f"{found.slug}/{found.backup_id}"),
            ("backup taken", found.backup_taken_at),
            ("live read", found.live_taken_at),
            ("tables without difference", found.same_tables),
        )
    )
    if not found.differs:
        click.echo("No differences.")
        return
    if found.tables:
        print_table(
            ("table", "in backup#", "live#", "added#", "removed#", "changed#", "remarks"),
            (
                (
                    table.table,
                    "none" if table.backup_rows is None else table.backup_rows,
                    "none" if table.live_rows is None else table.live_rows,
                    table.added,
                    table.removed,
                    table.changed if table.key else "-",
                    "; ".join(_remarks(table)),
                )
                for table in found.tables
            ),
        )
    if keys := list(_keys(found)):
        print_table(("table", "rows", "primary key"), keys)
    objects = [
        *((one.change.value, one.what, one.detail) for one in found.definitions),
        *(("changed", f"SEQUENCE {name}", "value") for name in found.sequences),
    ]
    if objects:
        print_table(("change", "object", "what"), objects)


def _remarks(table: TableDiff) -> Iterator[str]:
    if table.backup_rows is None:
        yield "not in the backup"
    elif table.live_rows is None:
        yield "not there any more"
    elif not table.key:
        yield "no common primary key: a changed row is one removed and one added"
    if table.columns_added:
        yield f"new columns, not compared: {', '.join(table.columns_added)}"
    if table.columns_removed:
        yield f"removed columns, not compared: {', '.join(table.columns_removed)}"


def _keys(found: TenantDiff) -> Iterator[tuple[str, str, str]]:
    for table in found.tables:
        examples = table.examples
        for kind, keys in (
            ("added", examples.added),
            ("removed", examples.removed),
            ("changed", examples.changed),
        ):
            for key in keys:
                yield table.table, kind, ", ".join(f"{name}={key[name]}" for name in key)


def _note_upgrade(found: TenantDiff) -> None:
    majors = [v.split(".")[0] for v in (found.backup_server_version, found.live_server_version)]
    if majors[0] != majors[1]:
        note(
            f"The backup is of PostgreSQL {majors[0]}, the server is {majors[1]}: definitions may "
            "differ by how they are printed only."
        )
