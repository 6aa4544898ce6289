"""What ``agentarmy-ops restore`` makes beside a tenant: another tenant, single tables; and the
platform part in an empty database."""

from collections.abc import Sequence

import click

from agentarmy_ops.backups.restore.copy_as import plan_copy, restore_as
from agentarmy_ops.backups.restore.copy_scratch import ScratchFor
from agentarmy_ops.backups.restore.copy_tables import TablesResult, plan_tables, restore_tables
from agentarmy_ops.backups.restore.platform import choose_platform, restore_platform
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice
from agentarmy_ops.cli.confirm import confirm
from agentarmy_ops.cli.output import note, print_json
from agentarmy_ops.cli.progress import progress
from agentarmy_ops.cli.restore_output import Asked, aside_summary, plan_summary, watched
from agentarmy_ops.text import one_line

_PLATFORM_STEPS = (Step.READ, Step.DEFINITIONS, Step.DONE)


def restore_copy(
    restorer: Restorer,
    scratch_for: ScratchFor,
    choice: Choice,
    copy: Choice,
    asked: Asked,
    *,
    mend_comments: bool,
) -> None:
    """``restore --as``: ``copy`` is the backup as the new tenant's."""
    plan = plan_copy(restorer, copy)
    if not asked.goes_on(plan):
        return
    confirm(plan.slug, "make it", yes=asked.yes)
    with progress("Restoring", 2 * plan.tables + len(Step)) as report:
        result = restore_as(
            watched(restorer, report), scratch_for, choice, copy, mend_comments=mend_comments
        )
    for warning in result.plan.warnings[len(plan.warnings) :]:
        note(f"Warning: {warning}")
    if asked.as_json:
        restored = {"seconds": result.seconds, "tenant_id": copy.tenant.id}
        print_json({"plan": plan_summary(result.plan), "restored": restored})
        return
    click.echo(
        f"tenant {plan.slug} is there, with the {plan.rows} rows of {choice.tenant.slug} as it was "
        f"at {plan.taken_at:%Y-%m-%dT%H:%M:%SZ}; its id is {copy.tenant.id}"
    )


def restore_beside(
    restorer: Restorer,
    scratch_for: ScratchFor,
    choice: Choice,
    tables: Sequence[str],
    asked: Asked,
) -> None:
    """``restore --table``."""
    plan = plan_tables(restorer, choice)
    if not asked.goes_on(plan):
        return
    confirm(plan.slug, "put tables beside its schema", yes=asked.yes)
    with progress("Restoring", 2 * len(tables) + len(Step)) as report:
        result = restore_tables(watched(restorer, report), scratch_for, choice, tables)
    if asked.as_json:
        restored = {
            "seconds": result.seconds,
            "rows": dict(result.rows),
            "beside": aside_summary(result.beside),
        }
        print_json({"plan": plan_summary(result.plan), "restored": restored})
        return
    _explain(choice, result, tables[0])


def _explain(choice: Choice, result: TablesResult, example: str) -> None:
    schema, tenant = result.beside.schema, choice.tenant
    counted = ", ".join(f"{table}: {rows}" for table, rows in result.rows.items())
    click.echo(f"beside it is schema {schema} now, with rows of {one_line(counted)}")
    into, source = f'{tenant.schema_name}."{example}"', f'"{schema}"."{example}"'
    click.echo("pick rows from it as the role that owns the tables, for example:")
    click.echo(f"  SET app.current_tenant_id = '{tenant.id}';")
    statement = f"INSERT INTO {into} SELECT * FROM {source} ON CONFLICT DO NOTHING;"  # noqa: S608 - for people
    click.echo(f"  {one_line(statement)}")
    click.echo(f"and remove it: agentarmy-ops restore {tenant.slug} --drop-aside --aside {schema}")


def restore_platform_part(
    restorer: Restorer, backup_id: str | None, *, force: bool, yes: bool, as_json: bool
) -> None:
    """``restore --platform``."""
    manifest = choose_platform(restorer.store, backup_id=backup_id, force=force)
    confirm("platform", f"restore it into {restorer.database}", yes=yes)
    with progress("Restoring", len(_PLATFORM_STEPS)) as report:
        restore_platform(watched(restorer, report), manifest)
    if as_json:
        print_json({"backup_id": manifest.backup_id, "rows": manifest.fingerprint.rows})
        return
    click.echo(
        f"the platform part is there as it was at {manifest.snapshot.taken_at:%Y-%m-%dT%H:%M:%SZ} "
        f"(backup {manifest.backup_id}, {manifest.fingerprint.rows} rows); restore tenants now"
    )
