"""Which tenants a run is about, and which have a run."""

from collections.abc import Sequence
from datetime import datetime

from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

_ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_BACKUP_JOB = "backup_tenants"
_TENANT_BACKUP = AssetKey("tenant_backup")
_PLATFORM_BACKUP = AssetKey("platform_backup")
# Ops that work on the tenant of their configuration, and record it on its partition.
_OF_ONE_TENANT = ("restore_one_tenant", "offboard_one_tenant")


def partitions_of_run(run: DagsterRun, stored: Sequence[str]) -> list[str]:
    """The tenant partitions a run works on; ``stored`` are all, in the instance's order, in
    which ranges are counted."""
    if listed := _listed_tenants(run) or _named_tenant(run):
        return listed
    if key := run.tags.get(PARTITION_NAME_TAG):
        return [key]
    start = run.tags.get(ASSET_PARTITION_RANGE_START_TAG)
    end = run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if start in stored and end in stored:
        return list(stored[stored.index(start) : stored.index(end) + 1])
    return []


def busy_partitions(instance: DagsterInstance, stored: Sequence[str]) -> set[str]:
    """Tenant partitions with a run that is queued or under way."""
    runs = instance.get_runs(RunsFilter(statuses=_ACTIVE))
    return {key for run in runs for key in partitions_of_run(run, stored)}


def is_active(instance: DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job is queued or under way."""
    return bool(instance.get_runs(RunsFilter(job_name=job_name, statuses=_ACTIVE), limit=1))


def backups_tried(
    instance: DagsterInstance, stored: Sequence[str], ended_after: datetime
) -> set[str | None]:
    """Tenants (None: the platform) with a backup run that is queued, under way, or ended after
    that moment, however it ended."""
    runs = [
        *instance.get_runs(RunsFilter(statuses=_ACTIVE)),
        *instance.get_runs(RunsFilter(statuses=_ENDED, updated_after=ended_after)),
    ]
    tried: set[str | None] = set()
    for run in runs:
        if _is_about(run, _TENANT_BACKUP):
            tried.update(partitions_of_run(run, stored))
        if _is_about(run, _PLATFORM_BACKUP):
            tried.add(None)
    return tried


def _is_about(run: DagsterRun, asset: AssetKey) -> bool:
    if run.asset_selection is None:  # the whole job
        return run.job_name == _BACKUP_JOB
    return asset in run.asset_selection


def _listed_tenants(run: DagsterRun) -> list[str]:
    """The tenants that the run's configuration lists."""
    found = _configured(run, _TENANT_BACKUP.path[-1], "tenants")
    return [str(slug) for slug in found] if isinstance(found, list) else []


def _named_tenant(run: DagsterRun) -> list[str]:
    """The tenant that the configuration of a run about a single one names."""
    found = (_configured(run, op, "tenant") for op in _OF_ONE_TENANT)
    return [slug for slug in found if isinstance(slug, str)]


def _configured(run: DagsterRun, op: str, field: str) -> object:
    """A field of an op's configuration; what a person typed may have any shape."""
    found: object = run.run_config
    for name in ("ops", op, "config", field):
        found = found.get(name) if isinstance(found, dict) else None
    return found
