"""One partition per tenant, keyed by slug, in step with the registry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DynamicPartitionsDefinition,
    RunsFilter,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

PARTITIONS_NAME = "tenant"
tenant_partitions = DynamicPartitionsDefinition(name=PARTITIONS_NAME)

# A registry that suddenly lacks many tenants is more likely damaged than right.
MAX_DELETIONS_PER_TICK = 10
_ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class PartitionChanges:
    """What would bring the partitions in step with the registry. ``deferred`` are partitions to
    delete later: a run is active on them, or the limit of one tick was reached."""

    add: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()


def partition_changes(
    existing: Sequence[str],
    registered: Iterable[str],
    busy: Iterable[str],
    max_deletions: int = MAX_DELETIONS_PER_TICK,
) -> PartitionChanges:
    """Compare partitions with registered slugs.

    An empty registry deletes nothing: it is what a failed read or a wrong database looks like.
    """
    wanted, have, in_use = set(registered), set(existing), set(busy)
    add = tuple(sorted(wanted - have))
    if not wanted:
        return PartitionChanges(deferred=tuple(sorted(have)))
    gone = sorted(have - wanted)
    free = [slug for slug in gone if slug not in in_use]
    delete = tuple(free[:max_deletions])
    return PartitionChanges(add, delete, tuple(slug for slug in gone if slug not in delete))


def partitions_of_run(run: DagsterRun, stored: Sequence[str]) -> list[str]:
    """The tenant partitions a run works on; ``stored`` are all, in the instance's order, in
    which ranges are counted."""
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


def ranges_of(
    stored: Sequence[str], wanted: Iterable[str], max_partitions: int
) -> list[tuple[str, str]]:
    """(first, last) of ranges of at most ``max_partitions`` neighbours in the stored order that
    cover the wanted partitions and no others."""
    chosen = set(wanted)
    ranges: list[list[str]] = []
    fresh = True
    for key in stored:
        if key not in chosen:
            fresh = True
            continue
        if fresh or len(ranges[-1]) == max_partitions:
            ranges.append([])
        ranges[-1].append(key)
        fresh = False
    return [(keys[0], keys[-1]) for keys in ranges]
