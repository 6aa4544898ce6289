"""What the store says of one tenant's backups, or of the platform part's."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from agentarmy_ops.backups.catalog import CatalogEntry, complete_backups, load_manifest
from agentarmy_ops.backups.folders import arrange
from agentarmy_ops.backups.manifest import Manifest, TenantFacts
from agentarmy_ops.backups.reference import time_of
from agentarmy_ops.backups.verdict import Status, Verdict, read_verdict
from agentarmy_ops.errors import (
    ArchiveError,
    BackupNotFoundError,
    ObjectNotFoundError,
    StoreError,
)
from agentarmy_ops.observability.fleet.model import BackupPoint, LatestBackup, Proof
from agentarmy_ops.stores.base import ObjectInfo, Store

# Of each tenant that many backups are remembered one by one, the newest.
HISTORY = 30
# Objects that cannot be read are their tenants' problem; so many of them are the store's.
_MOST_UNREADABLE = 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Dumped:
    """What the newest backup's manifest says beside :class:`LatestBackup`: whose it is, when it was
    begun, and of which snapshot, which is the same for all tenants that shared a dump."""

    tenant: TenantFacts | None
    started_at: datetime
    snapshot: tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """The fields of :class:`~agentarmy_ops.observability.fleet.model.TenantOverview` that come from
    the store; ``listing`` stands for what was listed, ``proved_by`` is the verdict of ``proof``."""

    listing: int
    history: tuple[BackupPoint, ...]
    backups: int
    oldest_at: datetime | None
    stored_bytes: int
    latest: LatestBackup | None
    dumped: Dumped | None
    proof: Proof | None
    proved_by: str | None
    verdict: Status | None
    problems: tuple[str, ...]


class StoredReader:
    """Reads :class:`Stored` of owners, in several threads at once, for one reading of the fleet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unreadable = 0
        self._counting = threading.Lock()

    def read(
        self, slug: str | None, objects: Sequence[ObjectInfo], listing: int, before: Stored | None
    ) -> Stored:
        """What these listed objects of an owner are. Manifests and verdicts are written once: what
        ``before`` says of the same is not read again.

        Raises:
            StoreError: the store gave none of many objects.
        """
        entries = complete_backups(arrange(slug, objects))
        problems: list[str] = []
        latest, dumped = self._latest(entries, before, problems)
        proofs = _Proofs(self._store, self._try, before, problems)
        proofs.look(entries)
        return Stored(
            listing=listing,
            history=tuple(
                BackupPoint(
                    backup_id=entry.ref.backup_id,
                    taken_at=time_of(entry.ref.backup_id),
                    stored_bytes=entry.stored_bytes,
                    status=proofs.statuses.get(entry.ref.backup_id, entry.status),
                )
                for entry in entries[-HISTORY:]
            ),
            backups=len(entries),
            oldest_at=time_of(entries[0].ref.backup_id) if entries else None,
            stored_bytes=sum(entry.stored_bytes for entry in entries),
            latest=latest,
            dumped=dumped,
            proof=proofs.proof,
            proved_by=proofs.proved_by,
            verdict=proofs.verdict,
            problems=tuple(problems),
        )

    def _latest(
        self, entries: Sequence[CatalogEntry], before: Stored | None, problems: list[str]
    ) -> tuple[LatestBackup | None, Dumped | None]:
        if not entries:
            return None, None
        ref = entries[-1].ref
        if before and before.latest and before.latest.backup_id == ref.backup_id:
            return before.latest, before.dumped
        manifest = self._try(lambda: load_manifest(self._store, ref), problems)
        return (_latest(manifest), _dumped(manifest)) if manifest else (None, None)

    def _try(self, read: Callable[[], _T], problems: list[str]) -> _T | None:
        """What ``read`` gives, or None and what went wrong among the problems."""
        try:
            return read()
        except (ArchiveError, BackupNotFoundError, ObjectNotFoundError) as error:
            problems.append(str(error))
        except StoreError as error:
            problems.append(str(error))
            with self._counting:
                self._unreadable += 1
                if self._unreadable > _MOST_UNREADABLE:
                    raise
        return None


class _Proofs:
    """The newest verdict on any of an owner's backups, and the newest backup that is verified."""

    def __init__(
        self,
        store: Store,
        attempt: Callable[[Callable[[], Verdict], list[str]], Verdict | None],
        before: Stored | None,
        problems: list[str],
    ) -> None:
        self._store, self._attempt = store, attempt
        self._before, self._problems = before, problems
        self.verdict: Status | None = None
        self.proof: Proof | None = None
        self.proved_by: str | None = None
        self.statuses: dict[str, Status] = {}  # of verdicts whose names do not say it

    def look(self, entries: Sequence[CatalogEntry]) -> None:
        """Newest first, until a verified one is found."""
        for entry in (entry for entry in reversed(entries) if entry.verifications):
            name, status = entry.verifications[-1], entry.status
            if status is None and (verdict := self._read(name)):
                status = self.statuses[entry.ref.backup_id] = verdict.status
            self.verdict = self.verdict or status
            if status is Status.VERIFIED and self._prove(entry, name):
                return

    def _prove(self, entry: CatalogEntry, name: str) -> bool:
        before = self._before
        if before and before.proved_by == name:
            self.proof, self.proved_by = before.proof, name
        elif verdict := self._read(name):
            self.proof = Proof(
                backup_id=entry.ref.backup_id,
                taken_at=time_of(entry.ref.backup_id),
                verified_at=verdict.finished_at,
                restore_seconds=verdict.restore_seconds,
            )
            self.proved_by = name
        return self.proof is not None

    def _read(self, name: str) -> Verdict | None:
        return self._attempt(lambda: read_verdict(name, self._store.read(name)), self._problems)


def _latest(manifest: Manifest) -> LatestBackup:
    return LatestBackup(
        backup_id=manifest.backup_id,
        taken_at=time_of(manifest.backup_id),
        finished_at=manifest.finished_at,
        rows=manifest.fingerprint.rows,
        plain_bytes=manifest.archive.plain_bytes,
        stored_bytes=manifest.archive.stored_bytes,
        backup_seconds=manifest.backup_seconds,
        encrypted=manifest.archive.encryption is not None,
    )


def _dumped(manifest: Manifest) -> Dumped:
    snapshot = manifest.snapshot
    return Dumped(manifest.tenant, manifest.started_at, (snapshot.taken_at, snapshot.lsn))
