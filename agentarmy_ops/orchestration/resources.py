"""The one resource: what the assets work with, made from settings in the run's process."""

from functools import cached_property
from typing import TYPE_CHECKING

from dagster import AssetKey, ConfigurableResource, DagsterRun, InitResourceContext
from dagster._core.storage.tags import PARTITION_NAME_TAG
from pydantic import Field

from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_registry

if TYPE_CHECKING:
    from google.cloud.storage import Client


class OpsResource(ConfigurableResource[None]):
    """Databases, stores and scratch servers, from the environment of the run."""

    gcs_project: str | None = Field(
        default=None,
        description="Project of the GCSResource whose client a gs:// store uses; unset: none",
    )

    @cached_property
    def runtime(self) -> Runtime:
        """Made when first used, so that loading the code location touches no server."""
        return Runtime(gcs_client=self._gcs_client)

    def _gcs_client(self) -> "Client":
        # The import takes a second: only a gs:// store asks for it, when it is first used.
        from dagster_gcp.gcs import GCSResource  # noqa: PLC0415

        return GCSResource(project=self.gcs_project).get_client()

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Look at the tenant that the run's tag names before Dagster looks up its partition.

        A tenant provisioned a moment ago may have no partition yet: it is added. Of one that does
        not exist a line says so, because Dagster's own failure only names a partition range.
        """
        run, instance = context.run, context.instance
        slug = run.tags.get(PARTITION_NAME_TAG) if run else None
        if run is None or not slug or not instance:
            return
        try:
            with self.runtime.registry() as connection:
                registered = {row.slug for row in read_registry(connection).tenants}
        except OpsError:
            return  # the asset meets the same error, and can say it better
        if slug in registered:
            if not instance.has_dynamic_partition(PARTITIONS_NAME, slug):
                instance.add_dynamic_partitions(PARTITIONS_NAME, [slug])
        elif context.log and not _provisions(run):
            context.log.error("there is no tenant %s in shared.tenants", slug)


def _provisions(run: DagsterRun) -> bool:
    return run.job_name == "provision_tenant" or AssetKey("tenant") in (run.asset_selection or ())
