"""What happens every night and every week, without anybody asking."""

from collections.abc import Iterator

from dagster import (
    DefaultScheduleStatus,
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
from agentarmy_ops.orchestration.requests import range_requests
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
