"""What backups there are. The store is the only record; nothing is kept beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.backups.manifest import Manifest, read_manifest
from agentarmy_ops.backups.reference import (
    MANIFEST,
    TENANTS,
    VERIFICATION_PREFIX,
    BackupRef,
    owner_prefix,
    validate_backup_id,
)
from agentarmy_ops.backups.verdict import Verdict, read_verdict
from agentarmy_ops.errors import BackupNotFoundError, InvalidInputError, ObjectNotFoundError
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.slug import validate_slug


@dataclass(frozen=True)
class CatalogEntry:
    """One complete backup as a listing of the store shows it, nothing of it read.

    ``stored_bytes`` is the size of all its objects; ``verifications`` are the names of its
    verdict objects, oldest first.
    """

    ref: BackupRef
    completed_at: datetime
    stored_bytes: int
    verifications: tuple[str, ...]


def backed_up_slugs(store: Store) -> list[str]:
    """Slugs that have anything in the store, in order."""
    slugs = []
    for folder in store.list_folders(TENANTS):
        try:
            slugs.append(validate_slug(folder))
        except InvalidInputError:
            continue  # somebody else's folder
    return slugs


def list_backups(store: Store, slug: str | None) -> list[CatalogEntry]:
    """Complete backups of a tenant (None: of the platform), oldest first.

    One listing of the store; what has no manifest is not a backup and is left out.
    """
    prefix = owner_prefix(slug)
    found: dict[str, list[tuple[str, int, datetime]]] = {}
    for item in store.list(prefix):
        backup_id, _, name = item.name.removeprefix(prefix).partition("/")
        found.setdefault(backup_id, []).append((name, item.size, item.created_at))
    return [
        entry
        for backup_id, objects in sorted(found.items())
        if (entry := _entry(slug, backup_id, objects))
    ]


def _entry(
    slug: str | None, backup_id: str, objects: Sequence[tuple[str, int, datetime]]
) -> CatalogEntry | None:
    try:
        ref = BackupRef(slug, validate_backup_id(backup_id))
    except InvalidInputError:
        return None  # somebody else's object
    completed = [created_at for name, _, created_at in objects if name == MANIFEST]
    if not completed:
        return None
    verifications = sorted(
        ref.prefix + name for name, _, _ in objects if name.startswith(VERIFICATION_PREFIX)
    )
    return CatalogEntry(
        ref, completed[0], sum(size for _, size, _ in objects), tuple(verifications)
    )


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
    """The platform backup that a tenant's backup is best restored upon: the first one made after
    it, for that one has every shared row the tenant refers to; else the newest before it."""
    after = [entry.ref for entry in platforms if entry.ref.backup_id >= backup_id]
    before = [entry.ref for entry in platforms if entry.ref.backup_id < backup_id]
    if after:
        return after[0]
    return before[-1] if before else None
