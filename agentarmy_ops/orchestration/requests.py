"""Ask for runs over many tenants, so that each costs its seconds of start for many."""

from collections.abc import Iterator, Sequence

from dagster import AssetsDefinition, RunRequest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from agentarmy_ops.orchestration.assets import tenant_backup
from agentarmy_ops.orchestration.partitions import ranges_of


def range_requests(
    stored: Sequence[str],
    wanted: Sequence[str],
    asset: AssetsDefinition,
    max_partitions: int,
    *,
    finally_: AssetsDefinition | None = None,
) -> Iterator[RunRequest]:
    """One request per range of wanted neighbours; a request per tenant would cost a look-up each,
    and a run each. ``stored`` are all partitions in the instance's order, in which ranges are
    counted. ``finally_`` is an asset without partitions that goes into the last run, or into one
    of its own where there is no other. For schedules: a tick asks for a range once, the next one
    again."""
    ranges = ranges_of(stored, wanted, max_partitions)
    for number, (first, last) in enumerate(ranges, start=1):
        also = [finally_.key] if finally_ and number == len(ranges) else []
        yield RunRequest(
            run_key=f"{first}...{last}",
            asset_selection=[asset.key, *also],
            tags=_range(first, last),
        )
    if finally_ and not ranges:
        yield RunRequest(asset_selection=[finally_.key])


def backup_requests(
    stored: Sequence[str], wanted: Sequence[str], max_partitions: int
) -> Iterator[RunRequest]:
    """As few requests as there can be for backups of tenants that need not be neighbours.

    A batch of neighbours is asked for as a range, as the schedule does. A scattered one, of which
    Dagster knows no form, names its first tenant as the run's partition and lists all of them in
    the run's configuration. No run key: that of a sensor is remembered for ever, and the same
    tenants may be stale again.
    """
    order = {slug: number for number, slug in enumerate(stored)}
    slugs = sorted(wanted, key=order.__getitem__)
    for start in range(0, len(slugs), max_partitions):
        batch = slugs[start : start + max_partitions]
        first, last = batch[0], batch[-1]
        if order[last] - order[first] == len(batch) - 1:
            yield RunRequest(asset_selection=[tenant_backup.key], tags=_range(first, last))
        else:
            yield RunRequest(
                asset_selection=[tenant_backup.key],
                tags={PARTITION_NAME_TAG: first},
                run_config={"ops": {"tenant_backup": {"config": {"tenants": batch}}}},
            )


def _range(first: str, last: str) -> dict[str, str]:
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
