"""A tenant's newest backup: each materialization is a manifest."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    Config,
    MetadataValue,
    Output,
    asset,
)
from pydantic import Field

from agentarmy_ops.backups.create import back_up_tenants
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.assets.tenant import tenant
from agentarmy_ops.orchestration.failures import Failures, fail
from agentarmy_ops.orchestration.outcomes import (
    materialized,
    not_recorded_before,
    recorded,
    slugs_of_run,
    tenants_of_run,
)
from agentarmy_ops.orchestration.partitions import tenant_partitions
from agentarmy_ops.orchestration.policy import BACKUP_POOL, BATCHES, GROUP, NOTHING, OWNERS
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.stores.base import Store


class BackupConfig(Config):
    """Which tenants to back up."""

    tenants: list[str] | None = Field(
        default=None,
        description="These tenants, by slug, instead of the run's partition; for tenants that are "
        "no neighbours, which no range of partitions names",
    )


@asset(
    partitions_def=tenant_partitions,
    deps=[tenant],
    backfill_policy=BATCHES,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres", "file"},
    dagster_type=NOTHING,
    pool=BACKUP_POOL,
    description=(
        "A complete backup of the tenant's schema: a pg_dump custom-format archive compressed "
        "with zstd and encrypted with age, and its manifest. Tenants that are dumped together are "
        "read from one snapshot."
    ),
    # Before the platform part, which is best restored under backups that are older than it.
    op_tags={"dagster/priority": "1"},
)
def tenant_backup(
    context: AssetExecutionContext, config: BackupConfig, ops: OpsResource
) -> Iterator[AssetMaterialization | Output[None]]:
    """Back up the run's tenants; each is recorded as soon as its manifest is written."""
    runtime = ops.runtime
    slugs = not_recorded_before(context, config.tenants or slugs_of_run(context))
    failures = Failures(context, "backup")
    try:
        tenants = tenants_of_run(runtime, slugs, failures)
        # Closed at once when the run is told to end, wherever that meets it: dumps are cancelled.
        with closing(
            back_up_tenants(runtime.source(), runtime.store, tenants, run_id=context.run.run_id)
        ) as outcomes:
            for outcome in outcomes:
                slug = outcome.tenant.slug
                if outcome.manifest is None:
                    failures.add(slug, outcome.error or "no backup was made")
                    continue
                for item in outcome.manifest.left_out:
                    context.log.warning(f"{slug}: {item} is not part of the tenant's backup")
                yield materialized(
                    context,
                    slug,
                    outcome.manifest.backup_id,
                    manifest_metadata(outcome.manifest, runtime.store),
                )
    except OpsError as error:
        raise fail(context, error) from None
    failures.fail_if_any(len(slugs))
    yield recorded()


def manifest_metadata(manifest: Manifest, store: Store) -> dict[str, Any]:
    """A manifest as Dagster metadata: numbers the UI plots, the path, and the manifest itself
    without its list of entries, which only the store keeps."""
    archive = manifest.archive
    return {
        "backup_id": manifest.backup_id,
        "rows": manifest.fingerprint.rows,
        "tables": len(manifest.fingerprint.tables),
        "plain_bytes": archive.plain_bytes,
        "stored_bytes": archive.stored_bytes,
        "compression_ratio": round(archive.ratio, 2),
        "backup_seconds": round(manifest.backup_seconds, 3),
        "left_out": len(manifest.left_out),
        "path": MetadataValue.path(f"{store.url}/{archive.object_name}"),
        "manifest": MetadataValue.json(
            manifest.model_dump(mode="json", exclude={"fingerprint": {"entries"}})
        ),
    }
