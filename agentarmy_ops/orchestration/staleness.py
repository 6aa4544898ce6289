"""Whose newest backup is too old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from dagster import AssetKey, DagsterEventType, DagsterInstance

from agentarmy_ops.backups.catalog import backed_up_slugs, list_backups
from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.orchestration.outcomes import DATA_VERSION_TAG
from agentarmy_ops.stores.base import Store


@dataclass(frozen=True)
class Found:
    """The tenants whose newest backup is too old, in the order asked for. ``left_at`` is the
    last tenant looked at when time ran out before all were; else None."""

    stale: tuple[str, ...]
    left_at: str | None = None


def recorded_backups(instance: DagsterInstance, asset: AssetKey) -> Mapping[str, str]:
    """The id of each tenant's newest backup that Dagster recorded, in one query."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {slug: found[DATA_VERSION_TAG] for slug, found in tags.items()}


def stale_tenants(
    slugs: Sequence[str],
    recorded: Mapping[str, str],
    store: Store,
    older_than: datetime,
    *,
    after: str | None = None,
    seconds: float,
) -> Found:
    """Those of ``slugs`` whose newest complete backup in the store is older than that moment.

    The store is the truth, but to list each tenant's folder takes long where the store is far
    away and tenants are thousands. So a tenant counts as fresh when Dagster recorded a fresh
    backup and the store has anything of the tenant at all (one listing says of whom it has). Of
    all others the folder is listed: what the command line backed up is not asked for again. What
    is missed, until Dagster's record is old too, is a tenant of whom only newer backups were
    removed from the store.

    A backup's id tells when it was made, and ids sort by time. After ``seconds`` of listing the
    rest is left to the next call, which begins after ``after``.
    """
    oldest_fresh = new_id(older_than)
    stored = set(backed_up_slugs(store))
    doubtful = [
        slug for slug in slugs if slug not in stored or recorded.get(slug, "") < oldest_fresh
    ]
    if after in doubtful:
        start = doubtful.index(after) + 1
        doubtful = [*doubtful[start:], *doubtful[:start]]
    stale, deadline, left_at = set(), monotonic() + seconds, None
    for number, slug in enumerate(doubtful, start=1):
        if slug not in stored or is_stale(store, slug, older_than):
            stale.add(slug)
        if monotonic() > deadline and number < len(doubtful):
            left_at = slug
            break
    return Found(tuple(slug for slug in slugs if slug in stale), left_at)


def is_stale(store: Store, slug: str | None, older_than: datetime) -> bool:
    """Whether the newest complete backup of a tenant (None: of the platform) in the store is
    older than that moment, or there is none."""
    backups = list_backups(store, slug)
    return not backups or backups[-1].ref.backup_id < new_id(older_than)
