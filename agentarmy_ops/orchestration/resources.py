"""The one resource: what the assets work with, made from settings in the run's process."""

from functools import cached_property

from dagster import ConfigurableResource, InitResourceContext
from dagster._core.storage.tags import PARTITION_NAME_TAG

from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_registry


class OpsResource(ConfigurableResource[None]):
    """Databases, stores and scratch servers, from the environment of the run."""

    @cached_property
    def runtime(self) -> Runtime:
        """Made when first used, so that loading the code location touches no server."""
        return Runtime()

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Add the partition of a registered tenant that ``tenant_registry_sensor`` has not seen.

        Before a step, Dagster looks up the partition that the run's tag names, and fails in its
        own words when there is none; a tenant provisioned a moment ago has none yet.
        """
        slug = context.run.tags.get(PARTITION_NAME_TAG) if context.run else None
        instance = context.instance
        if not slug or not instance or instance.has_dynamic_partition(PARTITIONS_NAME, slug):
            return
        try:
            with self.runtime.registry() as connection:
                registered = {row.slug for row in read_registry(connection).tenants}
        except OpsError:
            return  # the asset meets the same error, and can say it better
        if slug in registered:
            instance.add_dynamic_partitions(PARTITIONS_NAME, [slug])
