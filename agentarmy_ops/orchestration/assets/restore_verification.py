"""The proof that a tenant's newest backup restores: each materialization is a verdict."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetMaterialization,
    AssetObservation,
    Config,
    MetadataValue,
    Output,
    asset,
)
from pydantic import Field

from agentarmy_ops.backups.catalog import find_backup, latest_backup, load_manifest
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups
from agentarmy_ops.errors import OpsError
from agentarmy_ops.orchestration.assets.platform_backup import platform_backup
from agentarmy_ops.orchestration.assets.tenant_backup import tenant_backup
from agentarmy_ops.orchestration.failures import Failures, fail
from agentarmy_ops.orchestration.outcomes import (
    materialized,
    not_recorded_before,
    recorded,
    slugs_of_run,
    tenants_of_run,
)
from agentarmy_ops.orchestration.partitions import tenant_partitions
from agentarmy_ops.orchestration.policy import (
    BATCHES,
    GROUP,
    NOTHING,
    OWNERS,
    VERIFICATION_POOL,
)
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.stores.base import Store


class VerifyConfig(Config):
    """Which backup to verify."""

    backup_id: str | None = Field(
        default=None, description="A backup of the one tenant of the run; the newest where not set"
    )


@asset(
    partitions_def=tenant_partitions,
    deps=[tenant_backup, platform_backup],
    backfill_policy=BATCHES,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    dagster_type=NOTHING,
    pool=VERIFICATION_POOL,
    description=(
        "The tenant's newest backup, restored into a scratch database and dumped again, gave the "
        "same archive: every definition, owner, grant and row. A backup found bad is recorded as "
        "an observation and fails the run; so does an error, after which there is no verdict."
    ),
)
def restore_verification(
    context: AssetExecutionContext, config: VerifyConfig, ops: OpsResource
) -> Iterator[AssetMaterialization | AssetObservation | Output[None]]:
    """Verify the newest backups of the run's tenants; each is recorded with its verdict."""
    runtime, slugs = ops.runtime, not_recorded_before(context, slugs_of_run(context))
    failures = Failures(context, "verification")
    try:
        refs = _backups_of_run(runtime, slugs, config.backup_id, failures)
        # Closed at once when the run is told to end, wherever that meets it.
        with closing(verify_backups(runtime.verifier(context.run.run_id), refs)) as verdicts:
            for verdict in verdicts:
                slug = str(verdict.slug)
                metadata = _metadata(verdict, runtime.store)
                if verdict.status is Status.VERIFIED:
                    yield materialized(context, slug, verdict.backup_id, metadata)
                    continue
                failures.add(
                    slug,
                    f"{verdict.status}: {verdict.summary}",
                    kind=f"Verdict{verdict.status.title()}",
                )
                yield AssetObservation(context.asset_key, partition=slug, metadata=metadata)
    except OpsError as error:
        raise fail(context, error) from None
    failures.fail_if_any(len(slugs))
    yield recorded()


def _backups_of_run(
    runtime: Runtime, slugs: list[str], backup_id: str | None, failures: Failures
) -> list[BackupRef]:
    refs = []
    for row in tenants_of_run(runtime, slugs, failures):
        try:
            entry = (
                find_backup(runtime.store, row.slug, backup_id)
                if backup_id
                else latest_backup(runtime.store, row.slug)
            )
        except OpsError as error:
            failures.add(row.slug, error)
        else:
            refs.append(entry.ref)
    return refs


def _metadata(verdict: Verdict, store: Store) -> dict[str, Any]:
    """A verdict as Dagster metadata: numbers the UI plots, and the verdict itself."""
    measured: dict[str, Any] = {
        "restore_seconds": verdict.restore_seconds,
        "dump_seconds": verdict.dump_seconds,
    }
    if verdict.status is Status.VERIFIED:
        measured["rows"] = load_manifest(store, verdict.ref).fingerprint.rows
    return {
        "verdict": verdict.status.value,
        "backup_id": verdict.backup_id,
        "summary": verdict.summary,
        "differences": len(verdict.differences),
        "verdict_object": MetadataValue.json(verdict.model_dump(mode="json")),
        **{name: round(value, 3) for name, value in measured.items() if value is not None},
    }
