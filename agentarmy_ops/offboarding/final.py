"""The final backup: verified, and just what the tenant is when it is erased."""

import hashlib
import json
from dataclasses import dataclass

from agentarmy_ops.backups.catalog import CatalogEntry, list_backups
from agentarmy_ops.backups.create import back_up_platform, back_up_tenants
from agentarmy_ops.backups.diff.live import open_live
from agentarmy_ops.backups.manifest import Manifest, TenantFacts, read_manifest
from agentarmy_ops.backups.reference import parse_verification
from agentarmy_ops.backups.restore.stored import check_stored
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups
from agentarmy_ops.errors import (
    ArchiveError,
    BackupError,
    ObjectNotFoundError,
    OffboardingRefusedError,
    RestoreRefusedError,
    SecretError,
)
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.records import ErasedTable, FinalBackup
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.tenants.registry import Tenant


@dataclass(frozen=True)
class Candidate:
    """A verified backup that may be the final one, and what would be certified of it."""

    manifest: Manifest
    tenant: TenantFacts
    facts: FinalBackup


def back_up_and_verify(offboarder: Offboarder, tenant: Tenant) -> Verdict:
    """Make a backup of the tenant, and of the platform part, on which it is verified.

    Raises:
        OffboardingRefusedError: it is not verified; the tenant is as it was.
        OpsError: there is no backup.
    """
    source, store, run_id = offboarder.source, offboarder.store, offboarder.run_id
    offboarder.watch(Step.BACK_UP)
    (outcome,) = back_up_tenants(source, store, [tenant], run_id=run_id)
    if outcome.manifest is None:
        raise outcome.error or BackupError(f"tenant {tenant.slug} was not backed up")
    back_up_platform(source, store, run_id=run_id)
    offboarder.watch(Step.VERIFY)
    (verdict,) = verify_backups(offboarder.verifier, [outcome.manifest.ref])
    if verdict.status is not Status.VERIFIED:
        raise OffboardingRefusedError(
            f"tenant {tenant.slug} is not erased without a verified backup, and the one just made, "
            f"{verdict.backup_id}, is not ({verdict.status}): {verdict.summary}"
        )
    return verdict


def last_verified(offboarder: Offboarder, tenant: Tenant, *, is_kept: bool) -> Candidate | None:
    """The tenant's newest verified backup, if it has one. One that is going to be all that is left
    of it (``is_kept``) is read and decrypted to its end; None: it cannot be.

    Raises:
        StoreError: the store failed.
    """
    store = offboarder.store
    entry = _newest(offboarder, tenant)
    if entry is None:
        return None
    try:
        data = store.read(entry.ref.manifest)
        manifest = read_manifest(entry.ref, data)
        if manifest.tenant is None or manifest.tenant.id != tenant.id:
            return None  # of another tenant, which had the slug before
        if is_kept:
            check_stored(store, offboarder.restorer.keys, manifest)
    except (ArchiveError, ObjectNotFoundError, RestoreRefusedError, SecretError):
        return None
    return Candidate(manifest, manifest.tenant, _facts(entry, manifest, data))


def is_what_it_was(offboarder: Offboarder, candidate: Candidate) -> bool:
    """Whether the live tenant is just what the backup holds. Dumps it, storing nothing.

    Raises:
        OpsError: it cannot be dumped.
    """
    with open_live(offboarder.source, candidate.manifest, candidate.tenant) as live:
        return live.dump().fingerprint.sha256 == candidate.manifest.fingerprint.sha256


def _newest(offboarder: Offboarder, tenant: Tenant) -> CatalogEntry | None:
    entries = list_backups(offboarder.store, tenant.slug)
    verified = [entry for entry in entries if entry.status is Status.VERIFIED]
    return verified[-1] if verified else None


def _facts(entry: CatalogEntry, manifest: Manifest, data: bytes) -> FinalBackup:
    named = parse_verification(entry.verifications[-1].rpartition("/")[2])
    entries = [one.model_dump() for one in manifest.fingerprint.entries]
    definitions = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return FinalBackup(
        backup_id=manifest.backup_id,
        verification_id=named[0] if named else "",
        taken_at=manifest.snapshot.taken_at,
        manifest_sha256=hashlib.sha256(data).hexdigest(),
        archive_sha256=manifest.archive.sha256,
        fingerprint_sha256=manifest.fingerprint.sha256,
        definitions_sha256=hashlib.sha256(definitions).hexdigest(),
        definitions=len(entries),
        tables=tuple(
            ErasedTable(table=f"{one.namespace}.{one.table}", rows=one.rows, sha256=one.sha256)
            for one in manifest.fingerprint.tables
        ),
    )
