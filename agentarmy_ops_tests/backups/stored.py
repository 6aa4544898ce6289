"""Backups as a store lists them, made without a database: names, sizes and times are what count."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from agentarmy_ops.backups.catalog import CatalogEntry
from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops.stores.local import LocalStore


@dataclass(frozen=True)
class Backup:
    """A complete backup: when it was begun, and the verdicts on it, oldest first."""

    begun: datetime
    verdicts: tuple[Status, ...] = ()
    archive: bool = True

    def ref(self, slug: str | None = "acme") -> BackupRef:
        """Its name."""
        return BackupRef(slug, id_of(self.begun))

    def names(self, slug: str | None = "acme") -> list[str]:
        """The names of its objects."""
        ref = self.ref(slug)
        return [*([ref.archive] if self.archive else []), ref.manifest, *self._verifications(ref)]

    def entry(self, slug: str | None = "acme") -> CatalogEntry:
        """As the catalog shows it."""
        ref = self.ref(slug)
        archive = ObjectInfo(ref.archive, 100, self.begun) if self.archive else None
        status = self.verdicts[-1] if self.verdicts else None
        return CatalogEntry(ref, self.begun, 110, self._verifications(ref), archive, status)

    def put(self, store: LocalStore, slug: str | None = "acme") -> BackupRef:
        """Store it; each object is as old as the backup."""
        for name in self.names(slug):
            put_object(store, name, self.begun)
        return self.ref(slug)

    def _verifications(self, ref: BackupRef) -> tuple[str, ...]:
        numbered = enumerate(self.verdicts, start=1)
        return tuple(ref.verification(id_of(self.begun, n), status) for n, status in numbered)


def id_of(moment: datetime, after: int = 0) -> str:
    """The id of a backup begun then: always the same, and one for each microsecond."""
    moment += timedelta(minutes=after)
    stamp = new_id(moment)[: len("20261123T021503Z-")]
    return f"{stamp}{moment.microsecond:06x}"


def put_object(
    store: LocalStore, name: str, completed: datetime, data: bytes = b"something"
) -> None:
    """An object that was completed at that time; as a plain file, for the store would wait for
    the disk."""
    path = Path(unquote(store.url.removeprefix("file://"))) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (completed.timestamp(), completed.timestamp()))


def names(store: Store, prefix: str = "") -> Sequence[str]:
    """The names of all objects."""
    return [item.name for item in store.list(prefix)]
