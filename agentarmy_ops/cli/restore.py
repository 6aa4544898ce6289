"""``agentarmy-ops restore``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agentarmy_ops.backups.restore.aside import Aside
from agentarmy_ops.backups.restore.plan import RestorePlan
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.swap import RestoreResult, plan_restore, restore_tenant
from agentarmy_ops.backups.restore.undo import drop_kept, list_kept, undo_restore
from agentarmy_ops.cli.confirm import confirm
from agentarmy_ops.cli.options import LATEST, BackupIdType, SlugType, identity_file_option
from agentarmy_ops.cli.output import json_option, note, print_facts, print_json, print_table
from agentarmy_ops.cli.progress import progress
from agentarmy_ops.cli.text import seconds, size
from agentarmy_ops.runtime import Runtime

# Steps that happen once; the others once for each table.
_PER_TABLE = (Step.ROWS, Step.CHECK_ROWS)


@click.command(
    short_help="Bring a tenant back from a backup.",
    epilog="""\b
Examples:
  agentarmy-ops restore acme --dry-run
  agentarmy-ops restore acme                            # the latest verified backup
  agentarmy-ops restore acme --before 2026-11-22T09:00:00
  agentarmy-ops restore acme --undo
  agentarmy-ops restore acme --list-aside
  agentarmy-ops restore acme --drop-aside --yes

Never drops what is there: one transaction puts it aside, and --undo swaps the two. Until the commit
everybody reads what was there before and nobody waits; an error, or a kill, leaves it as it was.
Exit code 7: rolled back; 8: refused, nothing was touched.""",
)
@click.argument("slug", type=SlugType())
@click.option(
    "--backup",
    "backup_id",
    type=BackupIdType(),
    default=LATEST,
    metavar="ID",
    help="This backup, instead of the latest that is verified.",
)
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    metavar="TIME",
    help="The latest verified backup of before this time (UTC), such as 2026-11-22T09:00:00.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan, and what speaks against it.")
@click.option("--undo", is_flag=True, help="Swap the tenant with the schema that is kept aside.")
@click.option("--list-aside", is_flag=True, help="List the tenant's schemas that are kept aside.")
@click.option("--drop-aside", is_flag=True, help="Drop them, or the one of --aside.")
@click.option("--aside", metavar="SCHEMA", help="With --undo or --drop-aside: this one.")
@click.option(
    "--force",
    is_flag=True,
    help="Also a backup that is not verified; also when views or publications outside of the "
    "schema will go on with the tables put aside.",
)
@identity_file_option
@click.option("--yes", is_flag=True, help="Do not ask for the slug as confirmation.")
@json_option
def restore(
    slug: str,
    *,
    backup_id: str,
    before: datetime | None,
    dry_run: bool,
    undo: bool,
    list_aside: bool,
    drop_aside: bool,
    aside: str | None,
    force: bool,
    identity_file: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Give tenant SLUG the objects and rows of a backup, and keep aside what it has."""
    if undo + list_aside + drop_aside > 1:
        raise click.UsageError("give one of --undo, --list-aside and --drop-aside")
    if aside and not (undo or drop_aside):
        raise click.UsageError("--aside goes with --undo or --drop-aside")
    if (undo or list_aside or drop_aside) and (backup_id != LATEST or before or dry_run):
        raise click.UsageError("--backup, --before and --dry-run are for restoring a backup")
    if backup_id != LATEST and before:
        raise click.UsageError("give either --backup or --before, not both")
    runtime = Runtime()
    if list_aside:
        _list(runtime.restorer(), slug, as_json=as_json)
    elif undo:
        _undo(runtime.restorer(), slug, aside, yes=yes, as_json=as_json)
    elif drop_aside:
        _drop(runtime.restorer(), slug, aside, yes=yes, as_json=as_json)
    else:
        choice = choose_backup(
            runtime.store,
            slug,
            backup_id=None if backup_id == LATEST else backup_id,
            before=before.replace(tzinfo=UTC) if before else None,
            force=force,
        )
        plan = plan_restore(runtime.restorer(), choice, force=force)
        if not as_json:
            print_plan(plan)
        if dry_run:
            if as_json:
                print_json({"plan": plan_summary(plan), "restored": None})
            plan.refuse()
            return
        plan.refuse()
        confirm(slug, "restore it", yes=yes)
        with progress("Restoring", 2 * plan.tables + len(Step) - len(_PER_TABLE)) as report:
            result = restore_tenant(
                runtime.restorer(
                    watch=lambda step, table: report(f"{step} {table}".strip()),
                    identity_file=identity_file,
                ),
                choice,
                force=force,
            )
        runtime.tell_redis(choice.tenant.id)
        _print_result(result, as_json=as_json)


def print_plan(plan: RestorePlan) -> None:
    """The plan, for people."""
    print_facts(
        (
            ("tenant", plan.slug),
            ("backup", f"{plan.backup_id} ({plan.verdict})"),
            ("as it was at", plan.taken_at),
            ("rows, tables", f"{plan.rows}, {plan.tables} ({size(plan.plain_bytes)})"),
            ("into", plan.database),
            (
                "schema",
                f"{plan.schema}, {'put aside first' if plan.replaces else 'not there now'}",
            ),
            ("shared.tenants", "gets its row" if plan.registers else "has its row"),
            ("proven restore time", seconds(plan.proven_seconds) or "unknown"),
        )
    )
    for warning in plan.warnings:
        note(f"Warning: {warning}")


def plan_summary(plan: RestorePlan) -> dict[str, Any]:
    """The plan, as JSON."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(plan).items()
    }


def aside_summary(aside: Aside | None) -> dict[str, Any] | None:
    """A schema that is kept aside, as JSON."""
    return vars(aside) if aside else None


def _print_result(result: RestoreResult, *, as_json: bool) -> None:
    plan, aside = result.plan, result.aside
    if as_json:
        restored = {"seconds": result.seconds, "aside": aside_summary(aside)}
        print_json({"plan": plan_summary(plan), "restored": restored})
        return
    click.echo(
        f"tenant {plan.slug} is as it was at {plan.taken_at:%Y-%m-%dT%H:%M:%SZ}: {plan.rows} rows "
        f"in {seconds(result.seconds)}"
    )
    if aside:
        click.echo(
            f"what was there before is kept as schema {aside.schema}; "
            f"'agentarmy-ops restore {plan.slug} --undo' swaps back, --drop-aside removes it"
        )


def _list(restorer: Restorer, slug: str, *, as_json: bool) -> None:
    found = list_kept(restorer, slug)
    if as_json:
        print_json({"aside": [aside_summary(aside) for aside in found]})
        return
    print_table(
        ("schema", "put aside", "why", "replaced by"),
        ((aside.schema, aside.put_aside_at, aside.why, aside.replaced_by) for aside in found),
    )


def _undo(restorer: Restorer, slug: str, name: str | None, *, yes: bool, as_json: bool) -> None:
    confirm(slug, "swap it with what is kept aside", yes=yes)
    back, kept = undo_restore(restorer, slug, aside=name)
    if as_json:
        print_json({"back": aside_summary(back), "aside": aside_summary(kept)})
        return
    click.echo(
        f"tenant {slug} is what was put aside at {back.put_aside_at:%Y-%m-%dT%H:%M:%SZ} again; "
        f"what it was a moment ago is kept as schema {kept.schema}"
    )


def _drop(restorer: Restorer, slug: str, name: str | None, *, yes: bool, as_json: bool) -> None:
    confirm(slug, "drop what is kept aside of it, for good", yes=yes)
    dropped = drop_kept(restorer, slug, aside=name)
    if as_json:
        print_json({"dropped": [aside_summary(aside) for aside in dropped]})
        return
    for aside in dropped:
        click.echo(f"schema {aside.schema} dropped")
