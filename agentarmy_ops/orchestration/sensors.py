"""What watches the world between schedules."""

from dagster import (
    AddDynamicPartitionsRequest,
    DefaultSensorStatus,
    DeleteDynamicPartitionsRequest,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.partitions import (
    PARTITIONS_NAME,
    busy_partitions,
    partition_changes,
    tenant_partitions,
)
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.tenants.registry import read_registry


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
