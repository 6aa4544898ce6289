"""What happens every night and every week, without anybody asking."""

from collections.abc import Iterator

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from agentarmy_ops.orchestration.assets import (
    platform_backup,
    restore_verification,
    tenant_backup,
)
from agentarmy_ops.orchestration.jobs import backup_tenants, verify_restores
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.prune import prune_backups
from agentarmy_ops.orchestration.prune_run_history import prune_run_history
from agentarmy_ops.orchestration.requests import range_requests
from agentarmy_ops.orchestration.runs import is_active
from agentarmy_ops.settings import load_settings

_settings = load_settings()


@schedule(
    job=backup_tenants,
    cron_schedule=_settings.nightly_backup_cron,
    execution_timezone=_settings.schedule_timezone,
    default_status=DefaultScheduleStatus.RUNNING,
    description="Back up every tenant, in batches, and the platform part once.",
)
def nightly_backup(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
    """A run per batch of tenants, the last of which backs the platform part up too: a run of its
    own would take seconds of processor time from the tenants' for its start alone."""
    stored = context.instance.get_dynamic_partitions(PARTITIONS_NAME)
    most = _settings.max_partitions_per_run
    yield from range_requests(stored, stored, tenant_backup, most, finally_=platform_backup)


@schedule(
    job=verify_restores,
    cron_schedule=_settings.weekly_verification_cron,
    execution_timezone=_settings.schedule_timezone,
    default_status=DefaultScheduleStatus.RUNNING,
    description="Prove the newest backup of every tenant, in batches.",
)
def weekly_restore_verification(
    context: ScheduleEvaluationContext,
) -> Iterator[RunRequest | SkipReason]:
    """A run per batch of tenants."""
    stored = context.instance.get_dynamic_partitions(PARTITIONS_NAME)
    if not stored:
        yield SkipReason("there are no tenants")
    most = _settings.max_partitions_per_run
    yield from range_requests(stored, stored, restore_verification, most)


@schedule(
    job=prune_backups,
    cron_schedule=_settings.prune_cron,
    execution_timezone=_settings.schedule_timezone,
    default_status=DefaultScheduleStatus.RUNNING,
    description="Remove the backups that retention does not keep.",
)
def nightly_prune(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """One run over all tenants; none while the last one is not done."""
    return _apply(context, prune_backups, "prune")


@schedule(
    job=prune_run_history,
    cron_schedule=_settings.run_history_prune_cron,
    execution_timezone=_settings.schedule_timezone,
    default_status=DefaultScheduleStatus.RUNNING,
    description="Remove what Dagster recorded of runs that ended long ago.",
)
def nightly_run_history_prune(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """One run; none while the last one is not done."""
    return _apply(context, prune_run_history, "prune_history")


def _apply(
    context: ScheduleEvaluationContext, job: JobDefinition, op: str
) -> RunRequest | SkipReason:
    if is_active(context.instance, job.name):
        return SkipReason(f"the last run of {job.name} is still queued or under way")
    return RunRequest(run_config={"ops": {op: {"config": {"apply": True}}}})
