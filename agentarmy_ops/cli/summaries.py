"""The JSON shapes that several commands share; ``docs/cli.md`` documents their keys."""

from datetime import UTC, datetime
from typing import Any

from agentarmy_ops.backups.catalog import CatalogEntry, load_verdicts
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import Tenant

# A verdict whose name does not say its status; `backups show` reads it.
UNKNOWN = "unknown"


def tenant_summary(tenant: Tenant) -> dict[str, Any]:
    """A row of the registry."""
    return {
        "slug": tenant.slug,
        "id": str(tenant.id),
        "name": tenant.name,
        "schema_name": tenant.schema_name,
        "is_active": tenant.is_active,
        "created_at": tenant.created_at,
    }


def backup_summary(manifest: Manifest) -> dict[str, Any]:
    """A backup that has just been made."""
    return {
        "backup_id": manifest.backup_id,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
        "backup_seconds": manifest.backup_seconds,
        "rows": manifest.fingerprint.rows,
        "plain_bytes": manifest.archive.plain_bytes,
        "stored_bytes": manifest.archive.stored_bytes,
        "ratio": manifest.archive.ratio,
        "object_name": manifest.archive.object_name,
        "sha256": manifest.archive.sha256,
    }


def entry_summary(entry: CatalogEntry, now: datetime | None = None) -> dict[str, Any]:
    """A backup as a listing shows it; nothing of it is read."""
    return {
        "slug": entry.ref.slug,
        "backup_id": entry.ref.backup_id,
        "completed_at": entry.completed_at,
        "age_seconds": ((now or datetime.now(UTC)) - entry.completed_at).total_seconds(),
        "stored_bytes": entry.stored_bytes,
        "archive_bytes": entry.archive.size if entry.archive else None,
        "encrypted": entry.encrypted,
        "verifications": len(entry.verifications),
        "verdict": verdict_word(entry),
    }


def verdict_word(entry: CatalogEntry) -> str | None:
    """The newest verdict on a backup in one word; None when it was never verified."""
    if entry.status is None and entry.verifications:
        return UNKNOWN
    return entry.status


def newest_verdict(store: Store, entry: CatalogEntry) -> Verdict | None:
    """The newest verdict on a backup, if there is one.

    Raises:
        ArchiveError: it is damaged.
    """
    return next(load_verdicts(store, entry), None)


def verdict_summary(verdict: Verdict) -> dict[str, Any]:
    """A verdict, and its one line."""
    return {**verdict.model_dump(mode="json"), "summary": verdict.summary}
