"""What happens every night and every week, without anybody asking."""

from collections.abc import Iterator, Sequence

from dagster import (
    AssetKey,
    AssetsDefinition,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from agentarmy_ops.orchestration.assets import (
    platform_backup,
    restore_verification,
    tenant_backup,
)
from agentarmy_ops.orchestration.jobs import backup_tenants, verify_restores
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME, ranges_of
from agentarmy_ops.settings import load_settings

_settings = load_settings()


def batch_requests(
    stored: Sequence[str], wanted: Sequence[str], assets: Sequence[AssetsDefinition]
) -> Iterator[RunRequest]:
    """One request per batch of tenants; a request per tenant would cost a look-up each, and a run
    each. ``stored`` are all partitions in the instance's order, in which ranges are counted."""
    keys: list[AssetKey] = [definition.key for definition in assets]
    for first, last in ranges_of(stored, wanted, _settings.max_partitions_per_run):
        yield RunRequest(
            run_key=f"{first}...{last}",
            asset_selection=keys,
            tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        )


@schedule(
    job=backup_tenants,
    cron_schedule=_settings.nightly_backup_cron,
    execution_timezone=_settings.schedule_timezone,
    default_status=DefaultScheduleStatus.RUNNING,
    description="Back up every tenant, in batches, and the platform part once.",
)
def nightly_backup(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
    """A run per batch of tenants, then one for the platform; queued in this order, which runs that
    go at once need not end in."""
    stored = context.instance.get_dynamic_partitions(PARTITIONS_NAME)
    yield from batch_requests(stored, stored, [tenant_backup])
    yield RunRequest(run_key="platform", asset_selection=[platform_backup.key])


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
    yield from batch_requests(stored, stored, [restore_verification])
