"""``agentarmy-ops restore``."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from agentarmy_ops.backups.restore.copy_as import another_tenant
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, choose_backup
from agentarmy_ops.backups.restore.swap import RestoreResult, plan_restore, restore_tenant
from agentarmy_ops.backups.restore.undo import drop_kept, list_kept, undo_restore
from agentarmy_ops.cli.confirm import confirm
from agentarmy_ops.cli.options import LATEST, SlugType, backup_option, identity_file_option
from agentarmy_ops.cli.output import json_option, print_json, print_table
from agentarmy_ops.cli.progress import progress
from agentarmy_ops.cli.restore_copies import (
    restore_beside,
    restore_copy,
    restore_platform_part,
)
from agentarmy_ops.cli.restore_output import Asked, aside_summary, plan_summary, watched
from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.text import seconds

# Not steps that happen once: for each table, or in copies only.
_PER_TABLE = (Step.ROWS, Step.CHECK_ROWS, Step.SCRATCH)


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
  agentarmy-ops restore acme --table messages           # beside the live schema, to pick from
  agentarmy-ops restore acme --as acme-copy             # a new tenant
  agentarmy-ops restore --platform --target "host=new-db dbname=app user=postgres"

Never drops what is there: one transaction puts it aside, and --undo swaps the two. Until the commit
everybody reads what was there before and nobody waits; an error, or a kill, leaves it as it was.
Exit code 7: rolled back; 8: refused, nothing was touched.""",
)
@click.argument("slug", type=SlugType(), required=False)
@backup_option("This backup, instead of the latest that is verified.")
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
    "--table",
    "tables",
    multiple=True,
    metavar="NAME",
    help="This table only, into a schema beside the live one; may be given several times.",
)
@click.option(
    "--as", "as_slug", type=SlugType(), metavar="SLUG", help="As a new tenant of this slug."
)
@click.option("--name", help="With --as: its display name, instead of the backup's.")
@click.option(
    "--keep-tenant-id", is_flag=True, help="With --as and --target: do not give it a new id."
)
@click.option(
    "--mend-comments", is_flag=True, help="With --as: replace the old names in comments, too."
)
@click.option("--platform", is_flag=True, help="The platform part, into an empty database.")
@click.option(
    "--target",
    metavar="DSN",
    help="Into this database, instead of DATABASE_URL. No password here: PGPASSFILE or PGPASSWORD.",
)
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
    slug: str | None,
    *,
    backup_id: str,
    before: datetime | None,
    dry_run: bool,
    undo: bool,
    list_aside: bool,
    drop_aside: bool,
    aside: str | None,
    tables: tuple[str, ...],
    as_slug: str | None,
    name: str | None,
    keep_tenant_id: bool,
    mend_comments: bool,
    platform: bool,
    target: str | None,
    force: bool,
    identity_file: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Give tenant SLUG the objects and rows of a backup, and keep aside what it has."""
    about_aside = undo or list_aside or drop_aside
    about_copy = bool(name or keep_tenant_id or mend_comments)
    _refuse(
        (platform == (slug is not None), "name a tenant or give --platform, and not both"),
        (
            undo + list_aside + drop_aside + bool(tables) + bool(as_slug) + platform > 1,
            "give one of --undo, --list-aside, --drop-aside, --table, --as and --platform",
        ),
        (aside and not (undo or drop_aside), "--aside goes with --undo or --drop-aside"),
        (
            about_aside and (backup_id != LATEST or before or dry_run),
            "--backup, --before and --dry-run are for restoring a backup",
        ),
        (backup_id != LATEST and before, "give either --backup or --before, not both"),
        (
            about_copy and not as_slug,
            "--name, --keep-tenant-id and --mend-comments go with --as",
        ),
        (platform and (before or dry_run), "--before and --dry-run are for tenants"),
    )
    runtime = Runtime()
    restorer = _restorer(runtime, target, identity_file)
    wanted = None if backup_id == LATEST else backup_id
    if slug is None:
        restore_platform_part(restorer, wanted, force=force, yes=yes, as_json=as_json)
    elif list_aside:
        _list(restorer, slug, as_json=as_json)
    elif undo:
        _undo(restorer, slug, aside, yes=yes, as_json=as_json)
    elif drop_aside:
        _drop(restorer, slug, aside, yes=yes, as_json=as_json)
    else:
        choice = choose_backup(
            runtime.store,
            slug,
            backup_id=wanted,
            before=before.replace(tzinfo=UTC) if before else None,
            force=force,
        )
        asked = Asked(dry_run=dry_run, yes=yes, as_json=as_json)
        new = choice.tenant
        if as_slug:
            copy = another_tenant(choice, as_slug, name=name, keep_tenant_id=keep_tenant_id)
            new = copy.tenant
            restore_copy(
                restorer, runtime.scratch, choice, copy, asked, mend_comments=mend_comments
            )
        elif tables:
            restore_beside(restorer, runtime.scratch, choice, tables, asked)
        else:
            _restore(restorer, choice, asked, force=force)
        if target is None and not dry_run:
            runtime.tell_redis(new.id)


def _refuse(*rules: tuple[object, str]) -> None:
    """Raises click.UsageError for the first rule that is broken."""
    for broken, message in rules:
        if broken:
            raise click.UsageError(message)


def _restorer(runtime: Runtime, target: str | None, identity_file: Path | None) -> Restorer:
    restorer = runtime.restorer(identity_file=identity_file)
    if target is None:
        return restorer
    database = ConnInfo.parse(target, name="--target")
    if database.password is not None:
        raise InvalidInputError(
            "--target holds a password, which other users of this machine can read; leave it out "
            "and set PGPASSFILE or PGPASSWORD"
        )
    return replace(restorer, database=database)


def _restore(restorer: Restorer, choice: Choice, asked: Asked, *, force: bool) -> None:
    plan = plan_restore(restorer, choice, force=force)
    if not asked.goes_on(plan):
        return
    confirm(plan.slug, "restore it", yes=asked.yes)
    with progress("Restoring", 2 * plan.tables + len(Step) - len(_PER_TABLE)) as report:
        result = restore_tenant(watched(restorer, report), choice, force=force)
    _print_result(result, as_json=asked.as_json)


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
