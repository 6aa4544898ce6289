"""One partition per tenant, keyed by slug, in step with the registry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagster import DynamicPartitionsDefinition

PARTITIONS_NAME = "tenant"
tenant_partitions = DynamicPartitionsDefinition(name=PARTITIONS_NAME)

# A registry that suddenly lacks many tenants is more likely damaged than right.
MAX_DELETIONS_PER_TICK = 10


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
