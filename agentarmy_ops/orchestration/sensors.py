"""What watches the world between schedules."""

from datetime import UTC, datetime, timedelta

from dagster import (
    AddDynamicPartitionsRequest,
    DefaultSensorStatus,
    DeleteDynamicPartitionsRequest,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.assets import platform_backup, tenant_backup
from agentarmy_ops.orchestration.jobs import backup_tenants
from agentarmy_ops.orchestration.partitions import (
    PARTITIONS_NAME,
    partition_changes,
    tenant_partitions,
)
from agentarmy_ops.orchestration.requests import backup_requests
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.orchestration.runs import backups_tried, busy_partitions
from agentarmy_ops.orchestration.staleness import is_stale, recorded_backups, stale_tenants
from agentarmy_ops.tenants.registry import read_registry

# A tenant that fails every time is tried this often.
BACK_OFF = timedelta(hours=1)
MAX_RUNS_PER_TICK = 5
# Of the minute after which Dagster gives a tick up.
_LISTING_SECONDS = 20


@sensor(
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps the tenant partitions in step with shared.tenants.",
)
def tenant_registry_sensor(
    context: SensorEvaluationContext, ops: OpsResource
) -> SensorResult | SkipReason:
    """Add partitions of new tenants; delete those of tenants that are gone, with care.

    A registry that cannot be read, or is empty, deletes nothing. A partition is not deleted
    while a run works on it, for Dagster would fail that run.
    """
    try:
        with ops.runtime.registry() as connection:
            registry = read_registry(connection)
    except OpsError as error:
        return SkipReason(f"the registry cannot be read, partitions stay as they are: {error}")
    if registry.problems:
        # A row that breaks the rule may be a tenant whose partition is there.
        context.log.error("; ".join(registry.problems))
    stored = context.instance.get_dynamic_partitions(PARTITIONS_NAME)
    busy = busy_partitions(context.instance, stored)
    changes = partition_changes(stored, (row.slug for row in registry.tenants), busy)
    if changes.deferred:
        context.log.warning(f"not deleted yet: {', '.join(changes.deferred)}")
    deletions = [] if registry.problems else list(changes.delete)
    if not changes.add and not deletions:
        return SkipReason("the partitions are in step with the registry")
    requests: list[AddDynamicPartitionsRequest | DeleteDynamicPartitionsRequest] = []
    if changes.add:
        requests.append(tenant_partitions.build_add_request(list(changes.add)))
    if deletions:
        requests.append(tenant_partitions.build_delete_request(deletions))
    return SensorResult(dynamic_partitions_requests=requests)


@sensor(
    job=backup_tenants,
    minimum_interval_seconds=300,
    default_status=DefaultSensorStatus.RUNNING,
    description="Backs up what the night missed: tenants without a fresh backup.",
)
def stale_backup_sensor(
    context: SensorEvaluationContext, ops: OpsResource
) -> SensorResult | SkipReason:
    """Ask for backups of active tenants, and of the platform part, whose newest backup is older
    than ``BACKUP_FRESHNESS_HOURS``, or who have none (see :mod:`.staleness` for what is looked at).

    Not for those with a backup run that is queued, under way, or ended within the last hour,
    however it ended: a tenant that fails every time costs a run an hour, which all such tenants
    share. At most 5 runs a tick; the others' turn comes with the next.
    """
    runtime, instance, now = ops.runtime, context.instance, datetime.now(UTC)
    older_than = now - timedelta(hours=runtime.settings.backup_freshness_hours)
    stored = instance.get_dynamic_partitions(PARTITIONS_NAME)
    try:
        with runtime.registry() as connection:
            registry = read_registry(connection)
        active = {row.slug for row in registry.tenants if row.is_active}
        found = stale_tenants(
            [slug for slug in stored if slug in active],
            recorded_backups(instance, tenant_backup.key),
            runtime.store,
            older_than,
            after=context.cursor,
            seconds=_LISTING_SECONDS,
        )
        platform = is_stale(runtime.store, None, older_than)
    except OpsError as error:
        return SkipReason(f"cannot tell whose backup is stale: {error}")
    if registry.problems:
        context.log.error("; ".join(registry.problems))
    tried = backups_tried(instance, stored, now - BACK_OFF)
    wanted = [slug for slug in found.stale if slug not in tried]
    requests = list(backup_requests(stored, wanted, runtime.settings.max_partitions_per_run))
    requests = requests[:MAX_RUNS_PER_TICK]
    if platform and None not in tried:
        requests.append(RunRequest(asset_selection=[platform_backup.key]))
    skipped = SkipReason(
        f"{len(found.stale)} tenants without a fresh backup, {len(wanted)} of them not tried "
        "within the last hour"
    )
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else skipped,
        cursor=found.left_at or "",
    )
