"""Remove the backups that retention does not keep, and what interrupted ones left behind.

No lock is taken. A backup under way has no manifest, and what has none is left alone for a day; two
prunes at once remove the same; whoever reads a backup that goes gets an error and has changed
nothing. The plan is made from a listing, and just before a backup goes it is listed again: when
anything was added to it (a verdict), it stays until the next time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agentarmy_ops.backups.catalog import (
    CatalogEntry,
    backed_up_slugs,
    complete_backups,
    list_many,
    load_verdicts,
    platform_for,
)
from agentarmy_ops.backups.folders import LEFTOVER_AGE, BackupFolder, Owned, arrange, read_folders
from agentarmy_ops.backups.in_order import in_order, threads_for
from agentarmy_ops.backups.pruned import Action, Item, Pruned, item_of, leftover_of
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.retention import Decision, Policy, plan
from agentarmy_ops.errors import (
    ArchiveError,
    InvalidInputError,
    ObjectHeldError,
    ObjectNotFoundError,
    OpsError,
    StoreError,
)
from agentarmy_ops.stores.base import Store


@dataclass(frozen=True)
class Pruner:
    """Where and by what policy to prune. Without ``apply``, nothing is removed."""

    store: Store
    policy: Policy
    apply: bool = False

    def prune_tenants(
        self, slugs: Iterable[str], registered: Mapping[str, str | None]
    ) -> Iterator[Pruned]:
        """Prune these tenants, several at once; one result each, in their order.

        ``registered`` are the tenants of the registry and the policies of their own. Of a tenant
        that is not among them no backup is removed: what its policy was is not known.

        Raises:
            StoreError: the platform part's backups cannot be listed.
        """
        platform = read_folders(self.store, None)
        return in_order(
            slugs,
            lambda slug: self._prune_tenant(slug, registered, platform),
            threads=threads_for(self.store),
        )

    def prune_all(self, registered: Mapping[str, str | None]) -> Iterator[Pruned]:
        """Prune every tenant that has anything in the store, then the platform part, of which
        every backup stays that a remaining one of a tenant would be restored upon.

        Raises:
            StoreError: the store cannot be listed.
        """
        platform = read_folders(self.store, None)
        needed = _Needed(complete_backups(platform))
        for pruned in in_order(
            backed_up_slugs(self.store),
            lambda slug: self._prune_tenant(slug, registered, platform),
            threads=threads_for(self.store),
        ):
            needed.add(pruned)
            yield pruned
        yield self._prune_platform(needed)

    def prune_platform(self) -> Pruned:
        """Prune the platform part alone.

        Raises:
            StoreError: the store cannot be listed.
        """
        needed = _Needed(complete_backups(read_folders(self.store, None)))
        for _, entries in list_many(self.store, backed_up_slugs(self.store)):
            needed.add_all(entry.ref for entry in entries)
        return self._prune_platform(needed)

    def sweep(self) -> int:
        """Remove what killed processes left half-written in the store and no listing shows, where
        the store does not do so itself; returns how many files.

        Raises:
            StoreError: the store failed.
        """
        return self.store.sweep(LEFTOVER_AGE) if self.apply else 0

    def _prune_tenant(
        self, slug: str, registered: Mapping[str, str | None], platform: Owned
    ) -> Pruned:
        try:
            owned = read_folders(self.store, slug)
        except OpsError as error:
            return Pruned(slug, error=error, listed=False)
        entries = complete_backups(owned)
        if slug not in registered:
            kept = [Decision(entry, ("not in the registry",)) for entry in entries[::-1]]
            return self._carry_out(owned, kept, platform)
        try:
            policy = self.policy.overridden(registered[slug] or "")
        except InvalidInputError as error:
            kept = [Decision(entry, ("no usable policy",)) for entry in entries[::-1]]
            message = f"{slug}: {error}; correct backup_retention of its row in shared.tenants"
            return Pruned(slug, tuple(map(item_of, kept)), InvalidInputError(message))
        try:
            settled = [_settled(self.store, entry) for entry in entries]
        except StoreError as error:
            kept = [Decision(entry, ("its verdict cannot be read",)) for entry in entries[::-1]]
            return Pruned(slug, tuple(map(item_of, kept)), error)
        return self._carry_out(owned, plan(settled, policy, datetime.now(UTC)), platform)

    def _prune_platform(self, needed: "_Needed") -> Pruned:
        if needed.unknown:
            message = (
                "the platform part is not pruned, for the backups of "
                f"{', '.join(needed.unknown)} cannot be listed; prune again when they can"
            )
            return Pruned(None, error=StoreError(message), listed=False)
        try:
            owned = read_folders(self.store, None)
            settled = [_settled(self.store, entry) for entry in complete_backups(owned)]
        except StoreError as error:
            return Pruned(None, error=error, listed=False)
        decisions = plan(settled, self.policy, datetime.now(UTC), needed.refs)
        return self._carry_out(owned, decisions, owned)

    def _carry_out(self, owned: Owned, decisions: Iterable[Decision], platform: Owned) -> Pruned:
        folders = {folder.ref: folder for folder in owned.folders}
        # By the store's clock or by ours, whichever is behind.
        clock = min(datetime.now(UTC), max(_newest(owned), _newest(platform)))
        items = [item_of(decision) for decision in decisions]
        items += (leftover_of(folder) for folder in owned.folders if folder.is_leftover(clock))
        items.sort(key=lambda item: item.ref.backup_id, reverse=True)
        items = [_unless_held(item, folders[item.ref]) for item in items]
        error: OpsError | None = None
        if self.apply:
            # The oldest goes first, so that whatever ends this leaves the newest.
            for place, item in reversed([*enumerate(items)]):
                if item.action is Action.REMOVE:
                    try:
                        items[place] = self._remove(item, folders[item.ref])
                    except OpsError as raised:
                        error = raised
                        break
            items = [_failed(item) if item.action is Action.REMOVE else item for item in items]
        return Pruned(owned.slug, tuple(items), error)

    def _remove(self, item: Item, planned: BackupFolder) -> Item:
        """Remove a backup, its manifest first: from then on it is none, and what is left of it,
        if this is cut short, is a leftover that the next run removes."""
        known = {part.name for part in planned.parts}
        for folder in arrange(item.ref.slug, self.store.list(item.ref.prefix)).folders:
            if not known.issuperset(part.name for part in folder.parts):
                return replace(item, action=Action.KEEP, why="something was just added to it")
            for number, part in enumerate(folder.parts):
                try:
                    self.store.delete(part.name)
                except ObjectHeldError as error:
                    left = "the rest is removed when it can be" if number else "nothing is removed"
                    return replace(item, action=Action.HELD, why=f"{error}; {left}")
        return replace(item, action=Action.REMOVED)


class _Needed:
    """Platform backups that tenants' backups would be restored upon."""

    def __init__(self, platforms: list[CatalogEntry]) -> None:
        self._platforms = platforms
        self.refs: set[BackupRef] = set()
        self.unknown: list[str] = []

    def add(self, pruned: Pruned) -> None:
        if pruned.listed:
            self.add_all(pruned.remaining)
        else:
            self.unknown.append(pruned.owner)

    def add_all(self, refs: Iterable[BackupRef]) -> None:
        for ref in refs:
            if platform := platform_for(self._platforms, ref.backup_id):
                self.refs.add(platform)


def _newest(owned: Owned) -> datetime:
    return owned.newest_object_at or datetime.min.replace(tzinfo=UTC)


def _unless_held(item: Item, folder: BackupFolder) -> Item:
    held = [part.name for part in folder.parts if part.held]
    if item.action is Action.REMOVE and held:
        return replace(item, action=Action.HELD, why=f"the store holds {', '.join(held)}")
    return item


def _failed(item: Item) -> Item:
    return replace(item, action=Action.FAILED, why=f"{item.why}; the store failed")


def _settled(store: Store, entry: CatalogEntry) -> CatalogEntry:
    """The entry with the status of its newest verdict also where its name does not say it."""
    if entry.status is not None or not entry.verifications:
        return entry
    try:
        return replace(entry, status=next(load_verdicts(store, entry)).status)
    except (ArchiveError, ObjectNotFoundError):
        return entry
