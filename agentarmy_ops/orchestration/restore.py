"""Bring a tenant back, from the UI or from CI: one tenant a run, and never by accident."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dagster import (
    AssetKey,
    AssetObservation,
    Config,
    MetadataValue,
    OpExecutionContext,
    job,
    op,
)
from pydantic import Field

from agentarmy_ops.backups.restore import swap
from agentarmy_ops.backups.restore.copy_as import another_tenant, plan_copy, restore_as
from agentarmy_ops.backups.restore.copy_tables import plan_tables, restore_tables
from agentarmy_ops.backups.restore.plan import RestorePlan
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import Choice, choose_backup
from agentarmy_ops.backups.restore.undo import undo_restore
from agentarmy_ops.errors import InvalidInputError, OpsError
from agentarmy_ops.orchestration.failures import fail
from agentarmy_ops.orchestration.policy import FIRST_IN_QUEUE, OWNERS
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.runtime import Runtime

_TENANT = AssetKey("tenant")


class RestoreConfig(Config):
    """Which tenant to restore, and from what."""

    tenant: str = Field(description="The tenant's slug")
    confirm: str = Field(
        default="", description="The slug once more; without it, the run only shows the plan"
    )
    backup_id: str | None = Field(
        default=None, description="This backup, instead of the latest that is verified"
    )
    before: str | None = Field(
        default=None,
        description="The latest verified backup of before this time: ISO 8601 with its offset, "
        "such as 2026-11-22T09:00:00Z",
    )
    tables: list[str] | None = Field(
        default=None, description="These tables only, into a schema beside the live one"
    )
    as_tenant: str | None = Field(
        default=None, description="As a new tenant of this slug, instead of the tenant itself"
    )
    undo: bool = Field(
        default=False, description="Swap the tenant with the schema that is kept aside, instead"
    )
    force: bool = Field(
        default=False,
        description="Also a backup that is not verified; also when something outside of the "
        "schema will go on with the tables put aside",
    )


@op(description="Restore one tenant in one transaction; what it has is kept aside.")
def restore_one_tenant(
    context: OpExecutionContext, config: RestoreConfig, ops: OpsResource
) -> None:
    """Show the plan; with the confirmation, carry it out and record it on the tenant."""
    try:
        if config.confirm not in ("", config.tenant):
            raise InvalidInputError(
                f"confirm is {config.confirm!r}, not the tenant's slug {config.tenant!r}; nothing "
                "was touched"
            )
        if sum(map(bool, (config.undo, config.tables, config.as_tenant))) > 1:
            raise InvalidInputError("set one of undo, tables and as_tenant; nothing was touched")
        if config.undo:
            _undo(context, config, ops.runtime)
        else:
            _restore(context, config, ops.runtime)
    except OpsError as error:
        raise fail(context, error, slug=config.tenant) from None


def _restore(context: OpExecutionContext, config: RestoreConfig, runtime: Runtime) -> None:
    choice = _choose(config, runtime)
    copy = another_tenant(choice, config.as_tenant) if config.as_tenant else None
    restorer = runtime.restorer()
    if copy:
        plan = plan_copy(restorer, copy)
    elif config.tables:
        plan = plan_tables(restorer, choice)
    else:
        plan = swap.plan_restore(restorer, choice, force=config.force)
    _show(context, plan)
    plan.refuse()
    if not config.confirm:
        context.log.info("this is the plan only: set confirm to the tenant's slug to restore it")
        return

    def watch(step: Step, table: str) -> None:
        context.log.info(f"{step} {table}".strip())

    restorer = replace(restorer, watch=watch)
    if copy:
        made = restore_as(restorer, runtime.scratch, choice, copy)
        runtime.tell_redis(copy.tenant.id)
        _record(context, made.plan, {"tenant_id": str(copy.tenant.id)})
    elif config.tables:
        some = restore_tables(restorer, runtime.scratch, choice, config.tables)
        _record(context, plan, {"beside": some.beside.schema, "rows_beside": dict(some.rows)})
    else:
        result = swap.restore_tenant(restorer, choice, force=config.force)
        runtime.tell_redis(choice.tenant.id)
        aside = result.aside.schema if result.aside else "nothing"
        _record(context, plan, {"kept_aside": aside, "restore_seconds": round(result.seconds, 3)})


def _record(context: OpExecutionContext, plan: RestorePlan, facts: Mapping[str, Any]) -> None:
    context.log_event(
        AssetObservation(
            _TENANT,
            partition=plan.slug,
            description=f"restored from backup {plan.backup_id}",
            metadata={
                "backup_id": plan.backup_id,
                "as_it_was_at": plan.taken_at.isoformat(),
                "rows": plan.rows,
                **facts,
            },
        )
    )


def _choose(config: RestoreConfig, runtime: Runtime) -> Choice:
    before = None
    if config.before:
        try:
            before = datetime.fromisoformat(config.before)
        except ValueError:
            before = None
        if before is None or before.tzinfo is None:
            raise InvalidInputError(
                f"before is {config.before!r}; write it as 2026-11-22T09:00:00Z, with its offset"
            )
    return choose_backup(
        runtime.store,
        config.tenant,
        backup_id=config.backup_id,
        before=before,
        force=config.force,
    )


def _show(context: OpExecutionContext, plan: RestorePlan) -> None:
    context.log.info(
        f"{plan.slug}: backup {plan.backup_id} ({plan.verdict}), {plan.rows} rows of "
        f"{plan.tables} tables as they were at {plan.taken_at.isoformat()}; "
        + ("what is there is put aside" if plan.replaces else "its schema is not there now")
    )
    for warning in plan.warnings:
        context.log.warning(warning)


def _undo(context: OpExecutionContext, config: RestoreConfig, runtime: Runtime) -> None:
    if not config.confirm:
        raise InvalidInputError("undo needs confirm to be the tenant's slug; nothing was touched")
    back, kept = undo_restore(runtime.restorer(), config.tenant)
    context.log_event(
        AssetObservation(
            _TENANT,
            partition=config.tenant,
            description=f"swapped back to {back.schema}",
            metadata={"back": back.schema, "kept_aside": MetadataValue.text(kept.schema)},
        )
    )


@job(
    description="Bring one tenant back from a backup; without `confirm`, only show the plan.",
    metadata={"owners": ", ".join(OWNERS)},
    run_tags=FIRST_IN_QUEUE,
)
def restore_tenant() -> None:
    """See :func:`restore_one_tenant`."""
    restore_one_tenant()
