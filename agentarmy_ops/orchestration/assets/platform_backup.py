"""Everything outside the tenants' schemas, chiefly ``shared``."""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetMaterialization, Output, asset

from agentarmy_ops.backups.create import back_up_platform
from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.assets.tenant_backup import manifest_metadata
from agentarmy_ops.orchestration.failures import fail
from agentarmy_ops.orchestration.outcomes import materialized, recorded
from agentarmy_ops.orchestration.policy import BACKUP_POOL, FRESHNESS, NOTHING, OWNERS
from agentarmy_ops.orchestration.resources import OpsResource


@asset(
    group_name="platform",
    owners=OWNERS,
    kinds={"postgres", "file"},
    dagster_type=NOTHING,
    pool=BACKUP_POOL,
    freshness_policy=FRESHNESS,
    description=(
        "A complete backup of everything outside the tenants' schemas: schema `shared`, "
        "extensions, foreign servers. Verification restores it before a tenant's archive, whose "
        "objects may refer to it."
    ),
)
def platform_backup(
    context: AssetExecutionContext, ops: OpsResource
) -> Iterator[AssetMaterialization | Output[None]]:
    """Back up the platform part."""
    runtime = ops.runtime
    try:
        manifest = back_up_platform(runtime.source(), runtime.store, run_id=context.run.run_id)
    except OpsError as error:
        raise fail(context, error) from None
    for item in manifest.left_out:
        context.log.warning(f"{item} is not part of the platform's backup")
    yield materialized(
        context, None, manifest.backup_id, manifest_metadata(manifest, runtime.store)
    )
    yield recorded()
