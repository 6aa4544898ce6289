"""What is to be erased of a tenant outside of the database, and what becomes of each thing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agentarmy_ops.backups.catalog import backed_up_slugs
from agentarmy_ops.backups.folders import BackupFolder, read_folders
from agentarmy_ops.backups.keys import key_secret
from agentarmy_ops.backups.manifest import Manifest, read_manifest
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.errors import ArchiveError, ObjectNotFoundError
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.records import BackupsMode, ErasedBackup, ErasedSecret, Fate
from agentarmy_ops.secrets.tenant_secrets import tenant_secrets
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import read_tenants

_KEY_FATES = {
    BackupsMode.KEEP: Fate.KEPT,
    BackupsMode.SHRED: Fate.DESTROYED,
    BackupsMode.DELETE: Fate.DELETED,
}


def plan(
    offboarder: Offboarder, connection: Connection, slug: str, mode: BackupsMode
) -> dict[str, Any]:
    """What a record of an erasure that begins now says of secrets and backups, and of itself.

    Raises:
        OpsError: the database or one of the stores failed.
    """
    now = datetime.now(UTC)
    others = {tenant.slug for tenant in read_tenants(connection)}
    return {
        "erasing_id": new_id(now),
        "began_at": now,
        "database": connection.info.dbname,
        "role": connection.info.user,
        "secrets": tuple(_plan_secrets(offboarder, slug, others, mode)),
        "backups_mode": mode,
        "backups": tuple(_plan_backups(offboarder, slug, mode)),
        "run_id": offboarder.run_id,
    }


def _plan_secrets(
    offboarder: Offboarder, slug: str, registered: set[str], mode: BackupsMode
) -> Iterator[ErasedSecret]:
    secrets = offboarder.secrets
    # Who only has backups left is a neighbour, too.
    others = registered.union(backed_up_slugs(offboarder.store)) - {slug}
    for identifier in tenant_secrets(secrets, slug, others):
        is_key = identifier == key_secret(slug)
        fate = _KEY_FATES[mode] if is_key else Fate.DELETED
        versions = tuple(secrets.versions(identifier))
        yield ErasedSecret(identifier=identifier, versions=versions, fate=fate)


def _plan_backups(offboarder: Offboarder, slug: str, mode: BackupsMode) -> Iterator[ErasedBackup]:
    store, keys = offboarder.store, offboarder.restorer.keys
    versions = set(offboarder.secrets.versions(key_secret(slug)))
    for folder in read_folders(store, slug).folders:
        manifest = _manifest(store, folder)
        archive = manifest.archive if manifest else None
        encryption = archive.encryption if archive else None
        why = ""
        if mode is BackupsMode.KEEP:
            fate = Fate.KEPT
        elif mode is BackupsMode.DELETE:
            fate = Fate.DELETED
        else:
            why = _why_readable(manifest, slug, versions, keys.recovery_recipient)
            fate = Fate.DELETED if why else Fate.SHREDDED
        yield ErasedBackup(
            backup_id=folder.ref.backup_id,
            archive_sha256=archive.sha256 if archive else None,
            recipients=encryption.recipients if encryption else (),
            fate=fate,
            why=why,
        )


def _why_readable(
    manifest: Manifest | None, slug: str, versions: set[str], recovery_recipient: str | None
) -> str:
    """Why somebody may be able to read the archive when these versions of the tenant's key are
    gone; empty: nobody can."""
    if manifest is None:
        return "nobody knows to whom it is encrypted"
    encryption = manifest.archive.encryption
    if encryption is None:
        return "not encrypted"
    if encryption.secret != key_secret(slug):
        return f"encrypted to another secret, {encryption.secret}"
    if len(encryption.recipients) > 1 or recovery_recipient in encryption.recipients:
        return "encrypted to a recovery recipient, too"
    if encryption.version not in versions:
        return "its key is not in the secrets store, and may be elsewhere"
    return ""


def _manifest(store: Store, folder: BackupFolder) -> Manifest | None:
    if folder.manifest is None:
        return None
    try:
        return read_manifest(folder.ref, store.read(folder.ref.manifest))
    except (ArchiveError, ObjectNotFoundError):
        return None
