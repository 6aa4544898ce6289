"""Look for what is wrong in the store: nothing is changed."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby

from agentarmy_ops.backups.catalog import load_manifest
from agentarmy_ops.backups.folders import BackupFolder, Owned, arrange, owner_of, read_folders
from agentarmy_ops.backups.in_order import in_order, threads_for
from agentarmy_ops.backups.manifest import ArchiveFacts
from agentarmy_ops.backups.reference import OFFBOARDING, TENANTS, BackupRef
from agentarmy_ops.backups.verdict import read_verdict
from agentarmy_ops.errors import (
    ArchiveError,
    BackupNotFoundError,
    ObjectNotFoundError,
    StoreError,
)
from agentarmy_ops.stores.base import ObjectInfo, Store

_PIECE = 1024 * 1024


class Kind(StrEnum):
    """What can be wrong. The first five say that a backup is bad."""

    MISSING_ARCHIVE = "missing-archive"
    WRONG_SIZE = "wrong-size"
    WRONG_SHA256 = "wrong-sha256"
    DAMAGED_MANIFEST = "damaged-manifest"
    DAMAGED_VERDICT = "damaged-verdict"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"
    STRAY = "stray"
    UNREGISTERED = "unregistered"

    @property
    def means_bad_backup(self) -> bool:
        """Whether a backup cannot be relied on."""
        return self in tuple(Kind)[:5]

    @property
    def is_fault(self) -> bool:
        """Whether anything is wrong: backups may well outlive their tenant."""
        return self is not Kind.UNREGISTERED


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to do. ``what`` is the name of an object, or the
    beginning of the names of several; ``slug`` is None for the platform's and for nobody's."""

    kind: Kind
    what: str
    message: str
    slug: str | None = None
    backup_id: str | None = None


@dataclass(frozen=True)
class Report:
    """What was found of one tenant, of the platform part, or of nobody."""

    backups: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Checker:
    """What is checked. ``deep``: archives are read to their end. ``registered``: the slugs of the
    registry, where it could be read."""

    store: Store
    deep: bool = False
    registered: Collection[str] | None = None

    def check_owners(self, owners: Iterable[str | None]) -> Iterator[Report]:
        """What these tenants (None: the platform part) have in the store; a report each."""
        return in_order(
            owners,
            lambda slug: self._report(read_folders(self.store, slug)),
            threads=threads_for(self.store),
        )

    def check_all(self) -> Iterator[Report]:
        """Everything in the store, in one listing: also what is nobody's."""
        groups = groupby(self.store.list(""), key=lambda item: owner_of(item.name))
        return in_order(
            ((key, tuple(items)) for key, items in groups),
            self._check_group,
            threads=threads_for(self.store),
        )

    def _check_group(self, group: tuple[tuple[str | None, bool], Sequence[ObjectInfo]]) -> Report:
        (slug, somebodys), objects = group
        if somebodys:
            return self._report(arrange(slug, objects))
        strays = [item for item in objects if not item.name.startswith(OFFBOARDING)]
        return Report(0, tuple(map(_stray, strays)))

    def _report(self, owned: Owned) -> Report:
        problems = [*map(_stray, owned.strays)]
        complete = 0
        for folder in owned.folders:
            complete += folder.manifest is not None
            problems += self._check_folder(folder)
        slug = owned.slug
        if complete and slug and self.registered is not None and slug not in self.registered:
            message = (
                f"{slug} has {complete} backups and is not in shared.tenants; they are kept until "
                "somebody removes them"
            )
            problems.append(Problem(Kind.UNREGISTERED, f"{TENANTS}{slug}/", message, slug))
        return Report(complete, tuple(problems))

    def _check_folder(self, folder: BackupFolder) -> Iterator[Problem]:
        ref = folder.ref
        for item in folder.strays:
            yield _problem(ref, Kind.STRAY, item.name, "belongs to no backup; see whose it is")
        if folder.manifest is None:
            if folder.is_leftover(datetime.now(UTC)):
                yield _problem(
                    ref,
                    Kind.ORPHAN,
                    ref.prefix,
                    "was left by an interrupted backup or removal; prune removes it",
                )
            return
        try:
            facts: ArchiveFacts | None = load_manifest(self.store, ref).archive
        except BackupNotFoundError:
            return  # removed since it was listed
        except ArchiveError as error:
            facts = None
            yield _problem(ref, Kind.DAMAGED_MANIFEST, ref.manifest, error)
        except StoreError as error:
            facts = None
            yield _problem(ref, Kind.UNREADABLE, ref.manifest, error)
        yield from self._check_verdicts(folder)
        yield from self._check_archive(folder, facts)

    def _check_verdicts(self, folder: BackupFolder) -> Iterator[Problem]:
        for item in folder.verdicts:
            try:
                read_verdict(item.name, self.store.read(item.name))
            except ArchiveError as error:
                yield _problem(folder.ref, Kind.DAMAGED_VERDICT, item.name, error)
            except ObjectNotFoundError:
                pass  # removed since it was listed
            except StoreError as error:
                yield _problem(folder.ref, Kind.UNREADABLE, item.name, error)

    def _check_archive(self, folder: BackupFolder, facts: ArchiveFacts | None) -> Iterator[Problem]:
        ref = folder.ref
        found = {archive.name: archive.size for archive in folder.archives}
        if facts is None:
            if not found:
                yield _problem(ref, Kind.MISSING_ARCHIVE, ref.prefix, "has no archive; " + _GONE)
            return
        for name in found.keys() - {facts.object_name}:
            yield _problem(
                ref, Kind.STRAY, name, "is not the archive that the manifest names; see whose it is"
            )
        size = found.get(facts.object_name)
        if size is None:
            # It may have been stored, with its manifest, while this was listed.
            size = next((o.size for o in self.store.list(facts.object_name)), None)
        if size is None:
            yield _problem(ref, Kind.MISSING_ARCHIVE, facts.object_name, f"is missing; {_GONE}")
        elif size != facts.stored_bytes:
            yield _problem(
                ref,
                Kind.WRONG_SIZE,
                facts.object_name,
                f"has {size} bytes, not the {facts.stored_bytes} that were written; {_GONE}",
            )
        elif self.deep:
            yield from self._check_sha256(ref, facts)

    def _check_sha256(self, ref: BackupRef, facts: ArchiveFacts) -> Iterator[Problem]:
        digest = hashlib.sha256()
        try:
            with self.store.open(facts.object_name) as stream:
                while data := stream.read(_PIECE):
                    digest.update(data)
        except ObjectNotFoundError:
            return  # removed since it was listed
        except StoreError as error:
            yield _problem(ref, Kind.UNREADABLE, facts.object_name, error)
            return
        if digest.hexdigest() != facts.sha256:
            yield _problem(
                ref,
                Kind.WRONG_SHA256,
                facts.object_name,
                f"has sha256 {digest.hexdigest()}, not {facts.sha256} as it was written; {_GONE}",
            )


_GONE = "this backup cannot be restored: make another"


def _stray(item: ObjectInfo) -> Problem:
    return Problem(Kind.STRAY, item.name, f"{item.name} belongs to no backup; see whose it is")


def _problem(ref: BackupRef, kind: Kind, what: str, message: object) -> Problem:
    text = str(message)
    return Problem(kind, what, text if what in text else f"{what} {text}", ref.slug, ref.backup_id)
