"""What backups there are. The store is the only record; nothing is kept beside it."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.backups.folders import Owned, read_folders
from agentarmy_ops.backups.in_order import in_order, threads_for
from agentarmy_ops.backups.manifest import Manifest, read_manifest
from agentarmy_ops.backups.reference import (
    ENCRYPTED_ARCHIVE,
    TENANTS,
    BackupRef,
    parse_verification,
    validate_backup_id,
)
from agentarmy_ops.backups.verdict import Status, Verdict, read_verdict
from agentarmy_ops.errors import BackupNotFoundError, InvalidInputError, ObjectNotFoundError
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops.tenants.slug import validate_slug


@dataclass(frozen=True)
class CatalogEntry:
    """One complete backup as a listing of the store shows it, nothing of it read.

    ``stored_bytes`` is the size of all its objects; ``verifications`` are the names of its
    verdict objects, oldest first. ``archive`` is None where it is missing. ``status`` is that of
    the newest verdict; None where there is none, or where its name does not say it.
    """

    ref: BackupRef
    completed_at: datetime
    stored_bytes: int
    verifications: tuple[str, ...]
    archive: ObjectInfo | None = None
    status: Status | None = None

    @property
    def encrypted(self) -> bool | None:
        """Whether the archive is encrypted; None where it is missing."""
        return None if self.archive is None else self.archive.name.endswith(ENCRYPTED_ARCHIVE)


def backed_up_slugs(store: Store) -> list[str]:
    """Slugs that have anything in the store, in order, whether or not there is such a tenant."""
    slugs = []
    for folder in store.list_folders(TENANTS):
        try:
            slugs.append(validate_slug(folder))
        except InvalidInputError:
            continue  # somebody else's folder
    return sorted(slugs)


def list_backups(store: Store, slug: str | None) -> list[CatalogEntry]:
    """Complete backups of a tenant (None: of the platform), oldest first.

    One listing of the store; what has no manifest is not a backup and is left out.
    """
    return complete_backups(read_folders(store, slug))


def list_many(
    store: Store, owners: Iterable[str | None]
) -> Iterator[tuple[str | None, list[CatalogEntry]]]:
    """:func:`list_backups` of each owner, in their order: a listing each, several at once, and
    only a few owners' backups in memory."""
    return in_order(
        owners, lambda slug: (slug, list_backups(store, slug)), threads=threads_for(store)
    )


def complete_backups(owned: Owned) -> list[CatalogEntry]:
    """Those of an owner's folders that are backups, oldest first."""
    return [
        CatalogEntry(
            ref=folder.ref,
            completed_at=folder.manifest.created_at,
            stored_bytes=folder.stored_bytes,
            verifications=tuple(verdict.name for verdict in folder.verdicts),
            archive=folder.archives[0] if folder.archives else None,
            status=_named_status(folder.verdicts[-1].name) if folder.verdicts else None,
        )
        for folder in owned.folders
        if folder.manifest
    ]


def _named_status(name: str) -> Status | None:
    named = parse_verification(name.rpartition("/")[2])
    return Status(named[1]) if named and named[1] else None


def latest_backup(store: Store, slug: str | None) -> CatalogEntry:
    """The newest complete backup.

    Raises:
        BackupNotFoundError: there is none.
    """
    entries = list_backups(store, slug)
    if not entries:
        owner = f"tenant {slug}" if slug else "the platform"
        raise BackupNotFoundError(
            f"{owner} has no complete backup in {store.url}; make one with 'agentarmy-ops backup'"
        )
    return entries[-1]


def find_backup(store: Store, slug: str | None, backup_id: str) -> CatalogEntry:
    """One complete backup by its id.

    Raises:
        BackupNotFoundError: there is none of that id.
        InvalidInputError: it is not a backup id.
    """
    validate_backup_id(backup_id)
    for entry in list_backups(store, slug):
        if entry.ref.backup_id == backup_id:
            return entry
    raise BackupNotFoundError(
        f"{slug or 'the platform'} has no complete backup {backup_id} in {store.url}; "
        "see 'agentarmy-ops backups list'"
    )


def load_manifest(store: Store, ref: BackupRef) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupNotFoundError: it is not complete, or not there.
        ArchiveError: the manifest is damaged or another backup's.
    """
    try:
        data = store.read(ref.manifest)
    except ObjectNotFoundError:
        raise BackupNotFoundError(f"there is no complete backup {ref} in {store.url}") from None
    return read_manifest(ref, data)


def load_verdicts(store: Store, entry: CatalogEntry) -> Iterator[Verdict]:
    """The verdicts on a backup, newest first.

    Raises:
        ArchiveError: a verdict object is damaged.
    """
    for name in reversed(entry.verifications):
        yield read_verdict(name, store.read(name))


def platform_for(platforms: Sequence[CatalogEntry], backup_id: str) -> BackupRef | None:
    """The platform backup, of those in order, that a tenant's backup is best restored upon: the
    first one made after it, for that one has every shared row the tenant refers to; else the
    newest before it."""
    if not platforms:
        return None
    place = bisect_left(platforms, backup_id, key=lambda entry: entry.ref.backup_id)
    return platforms[min(place, len(platforms) - 1)].ref
