"""What a listing of the store shows below the name of each backup, complete or not."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from agentarmy_ops.backups.reference import (
    ARCHIVE,
    ENCRYPTED_ARCHIVE,
    MANIFEST,
    PLATFORM,
    TENANTS,
    BackupRef,
    owner_prefix,
    parse_verification,
    time_of,
    validate_backup_id,
)
from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops.tenants.slug import validate_slug

# A backup's archive and manifest are completed within moments of each other.
LEFTOVER_AGE = timedelta(days=1)


@dataclass(frozen=True)
class BackupFolder:
    """The objects of one backup. ``verdicts`` are oldest first; ``strays`` are nobody's."""

    ref: BackupRef
    manifest: ObjectInfo | None
    archives: tuple[ObjectInfo, ...]
    verdicts: tuple[ObjectInfo, ...]
    strays: tuple[ObjectInfo, ...]

    @property
    def parts(self) -> tuple[ObjectInfo, ...]:
        """All objects that are the backup's, in the order in which they are removed: without its
        manifest it is no backup any more, whatever becomes of the rest."""
        manifest = (self.manifest,) if self.manifest else ()
        return (*manifest, *self.verdicts, *self.archives)

    @property
    def stored_bytes(self) -> int:
        """The size of all of them."""
        return sum(part.size for part in self.parts)

    @property
    def touched_at(self) -> datetime:
        """When anything last happened to it: it was begun, by its id, or an object was completed,
        by the store's clock."""
        begun = time_of(self.ref.backup_id)
        return max((begun, *(part.created_at for part in (*self.parts, *self.strays))))

    def is_leftover(self, now: datetime) -> bool:
        """Whether it has no manifest and none is to be expected: nothing happened to it for a
        day. Otherwise, it is a backup or may be one that is under way."""
        return self.manifest is None and now - self.touched_at > LEFTOVER_AGE


@dataclass(frozen=True)
class Owned:
    """All that is below the prefix of one tenant (None: of the platform part), oldest backup
    first. ``strays`` are objects in no backup's folder."""

    slug: str | None
    folders: tuple[BackupFolder, ...]
    strays: tuple[ObjectInfo, ...]

    @property
    def newest_object_at(self) -> datetime | None:
        """When the newest object was completed: the least that the store's clock shows now."""
        moments = [item.created_at for item in self.strays]
        for folder in self.folders:
            moments += (item.created_at for item in (*folder.parts, *folder.strays))
        return max(moments, default=None)


def read_folders(store: Store, slug: str | None) -> Owned:
    """List what a tenant (None: the platform part) has in the store: one listing, nothing read."""
    return arrange(slug, store.list(owner_prefix(slug)))


def owner_of(name: str) -> tuple[str | None, bool]:
    """Whose object it is by its name (None: the platform's), and whether it is anybody's. In a
    listing of the whole store, an owner's objects follow each other."""
    if name.startswith(PLATFORM):
        return None, True
    if name.startswith(TENANTS):
        with suppress(InvalidInputError):
            return validate_slug(name.removeprefix(TENANTS).partition("/")[0]), True
    return None, False


def arrange(slug: str | None, objects: Iterable[ObjectInfo]) -> Owned:
    """Listed objects of a tenant (None: of the platform part), by backup."""
    prefix = owner_prefix(slug)
    found: dict[str, list[ObjectInfo]] = {}
    strays: list[ObjectInfo] = []
    for item in objects:
        backup_id, _, leaf = item.name.removeprefix(prefix).partition("/")
        if leaf and _is_backup_id(backup_id):
            found.setdefault(backup_id, []).append(item)
        else:
            strays.append(item)
    folders = (_folder(BackupRef(slug, each), items) for each, items in sorted(found.items()))
    return Owned(slug, tuple(folders), tuple(strays))


def _is_backup_id(text: str) -> bool:
    try:
        validate_backup_id(text)
    except InvalidInputError:
        return False
    return True


def _folder(ref: BackupRef, objects: Iterable[ObjectInfo]) -> BackupFolder:
    manifest: ObjectInfo | None = None
    archives, verdicts, strays = [], [], []
    for item in sorted(objects, key=lambda item: item.name):
        leaf = item.name.removeprefix(ref.prefix)
        if leaf == MANIFEST:
            manifest = item
        elif leaf in (ARCHIVE, ENCRYPTED_ARCHIVE):
            archives.append(item)
        elif parse_verification(leaf):
            verdicts.append(item)
        else:
            strays.append(item)
    return BackupFolder(ref, manifest, tuple(archives), tuple(verdicts), tuple(strays))
