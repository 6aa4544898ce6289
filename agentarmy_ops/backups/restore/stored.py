"""Which backup to restore, and whether its archive is still what was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.archive.data import ignore
from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.archive.difference import differences
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.backups.catalog import (
    CatalogEntry,
    find_backup,
    list_backups,
    load_manifest,
    load_verdicts,
)
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import Manifest, TenantFacts
from agentarmy_ops.backups.pipeline import open_archive
from agentarmy_ops.backups.restore.load import Loadable
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.errors import ArchiveError, BackupNotFoundError, RestoreRefusedError
from agentarmy_ops.stores.base import Store


@dataclass(frozen=True)
class Choice:
    """A tenant's backup that is to be restored, with the newest verdict on it."""

    manifest: Manifest
    tenant: TenantFacts
    verdict: Verdict | None

    @property
    def is_verified(self) -> bool:
        """Whether the newest verdict says so."""
        return self.verdict is not None and self.verdict.status is Status.VERIFIED

    @property
    def status(self) -> str:
        """The newest verdict in one word."""
        return self.verdict.status.value if self.verdict else "never verified"


def choose_backup(
    store: Store,
    slug: str,
    *,
    backup_id: str | None = None,
    before: datetime | None = None,
    force: bool = False,
) -> Choice:
    """The newest verified backup of a tenant whose snapshot was taken before a moment, if one is
    given; or the one of an id. ``force`` takes backups that are not verified, too.

    Raises:
        BackupNotFoundError: there is none.
        RestoreRefusedError: there are, but none that is verified.
        InvalidInputError: ``backup_id`` is not one.
        ArchiveError: the manifest or verdict of the backup of ``backup_id`` is damaged.
    """
    if backup_id:
        choice = _choice(store, find_backup(store, slug, backup_id))
        if not choice.is_verified and not force:
            raise RestoreRefusedError(
                f"backup {choice.manifest.ref} is not verified ({choice.status}); verify it with "
                f"'agentarmy-ops verify --tenant {slug} --backup {backup_id}', or give --force"
            )
        return choice
    candidates = _before(store, slug, before)
    seen = 0
    for choice in candidates:
        seen += 1
        if choice.is_verified or force:
            return choice
    when = f" from before {before:%Y-%m-%dT%H:%M:%SZ}" if before else ""
    if not seen:
        raise BackupNotFoundError(
            f"tenant {slug} has no complete backup{when} in {store.url}; see "
            f"'agentarmy-ops backups list {slug}'"
        )
    raise RestoreRefusedError(
        f"none of the {seen} backups{when} of tenant {slug} is verified; verify one with "
        f"'agentarmy-ops verify --tenant {slug}', or give --force"
    )


def _before(store: Store, slug: str, moment: datetime | None) -> Iterator[Choice]:
    """Backups whose snapshot is older than the moment, newest first; damaged ones are no help."""
    for entry in reversed(list_backups(store, slug)):
        try:
            choice = _choice(store, entry)
        except (ArchiveError, BackupNotFoundError):
            continue
        if moment is None or choice.manifest.snapshot.taken_at < moment:
            yield choice


def _choice(store: Store, entry: CatalogEntry) -> Choice:
    manifest = load_manifest(store, entry.ref)
    if manifest.tenant is None:
        raise ArchiveError(f"{entry.ref.manifest} names no tenant")
    return Choice(manifest, manifest.tenant, next(load_verdicts(store, entry), None))


def check_stored(store: Store, keys: Keys, manifest: Manifest) -> Description:
    """Read the archive of a backup to its end and compare it with its manifest.

    Raises:
        RestoreRefusedError: it is not what was written.
        OpsError: it cannot be read.
    """
    facts = manifest.archive
    damage = None
    with open_archive(store, facts, keys, ignore) as (stream, measure):
        try:
            description = describe(stream)
        except ArchiveError as error:
            damage = str(error)
    if (measure.size, measure.sha256) != (facts.stored_bytes, facts.sha256):
        damage = (
            f"it has {measure.size} bytes with sha256 {measure.sha256}, not {facts.stored_bytes} "
            f"with {facts.sha256}"
        )
    if damage is None:
        damage = _other_contents(manifest, description)
    if damage:
        raise RestoreRefusedError(
            f"the archive of backup {manifest.ref} is not the one that was written: {damage}; "
            "restore another backup"
        )
    return description


def read_stored(store: Store, keys: Keys, choice: Choice) -> Loadable:
    """:func:`check_stored`, of a tenant's backup, which can be loaded then.

    Raises:
        RestoreRefusedError: the archive is not what was written.
        OpsError: it cannot be read.
    """
    manifest = choice.manifest
    facts, description = manifest.archive, check_stored(store, keys, manifest)

    @contextmanager
    def open_again() -> Iterator[Readable]:
        with open_archive(store, facts, keys, ignore) as (stream, _):
            yield stream

    return Loadable(
        schema=choice.tenant.schema_name,
        tenant_id=choice.tenant.id,
        description=description,
        security=manifest.row_level_security,
        not_valid=manifest.not_valid,
        lc_monetary=manifest.snapshot.lc_monetary,
        open=open_again,
    )


def _other_contents(manifest: Manifest, description: Description) -> str | None:
    found = differences(manifest.fingerprint, description.fingerprint)
    return str(found[0]) if found else None
