"""Erase what is outside of the database, as it was planned, and certify it. Each step can be done
again, and what is gone already is no error."""

from collections.abc import Iterator
from datetime import UTC, datetime

from agentarmy_ops.backups.folders import BackupFolder, read_folders
from agentarmy_ops.backups.reference import new_id, owner_prefix
from agentarmy_ops.errors import ObjectHeldError
from agentarmy_ops.offboarding.journal import record_certificate
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.records import (
    BackupsMode,
    Certificate,
    ErasedBackup,
    Erasing,
    Fate,
)
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.redis_keys import delete_keys


def finish(
    offboarder: Offboarder, erasing: Erasing, earlier: Certificate | None = None
) -> Certificate:
    """Carry out what ``erasing`` plans and is not done yet. ``earlier`` is a certificate of it that
    is not complete; it is returned when nothing more could be erased since.

    Raises:
        OpsError: one of the stores failed; to be called again.
    """
    keys = 0
    offboarder.watch(Step.REDIS)
    if offboarder.redis_url is not None and erasing.redis_keys is not None:
        keys = delete_keys(offboarder.redis_url, erasing.tenant_id)
    offboarder.watch(Step.SECRETS)
    _erase_secrets(offboarder.secrets, erasing)
    offboarder.watch(Step.BACKUPS)
    not_erased = tuple(_erase_backups(offboarder.store, erasing))
    offboarder.watch(Step.CERTIFY)
    if earlier and earlier.not_erased == not_erased:
        return earlier
    now = datetime.now(UTC)
    redis_keys = erasing.redis_keys
    certificate = Certificate(
        **{
            **dict(erasing),
            # The application may have set more while it was being disabled.
            "redis_keys": redis_keys if redis_keys is None else max(redis_keys, keys),
            "backups": tuple(_outcome(one, erasing.slug, not_erased) for one in erasing.backups),
            "run_id": offboarder.run_id,
        },
        certificate_id=new_id(now),
        complete=not not_erased,
        certified_at=now,
        not_erased=not_erased,
    )
    record_certificate(offboarder.store, certificate)
    return certificate


def _erase_secrets(secrets: SecretsStore, erasing: Erasing) -> None:
    for secret in erasing.secrets:
        if secret.fate is Fate.DELETED:
            secrets.delete(secret.identifier)
        elif secret.fate is Fate.DESTROYED:
            for version in {*secret.versions, *secrets.versions(secret.identifier)}:
                secrets.destroy(secret.identifier, version)


def _erase_backups(store: Store, erasing: Erasing) -> Iterator[str]:
    """Delete the objects that are to go; yields those that the store holds."""
    for name in list(_doomed(store, erasing)):
        try:
            store.delete(name)
        except ObjectHeldError:
            yield name


def _doomed(store: Store, erasing: Erasing) -> Iterator[str]:
    """Names of objects, each backup's manifest before the rest of it."""
    if erasing.backups_mode is BackupsMode.KEEP:
        return
    owned = read_folders(store, erasing.slug)
    doomed = {backup.backup_id for backup in erasing.backups if backup.fate is Fate.DELETED}
    everything = erasing.backups_mode is BackupsMode.DELETE
    for folder in owned.folders:
        if everything or folder.ref.backup_id in doomed:
            yield from _objects(folder)
    if everything:
        yield from (stray.name for stray in owned.strays)


def _objects(folder: BackupFolder) -> Iterator[str]:
    return (item.name for item in (*folder.parts, *folder.strays))


def _outcome(backup: ErasedBackup, slug: str, not_erased: tuple[str, ...]) -> ErasedBackup:
    prefix = f"{owner_prefix(slug)}{backup.backup_id}/"
    if any(name.startswith(prefix) for name in not_erased):
        return backup.model_copy(update={"fate": Fate.HELD, "why": "the store holds it"})
    return backup
