"""Fleets that nobody read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import (
    PLATFORM_ID,
    BackupPoint,
    Fleet,
    LatestBackup,
    Proof,
    State,
    TenantOverview,
    Throughput,
)

READ_AT = datetime(2026, 11, 23, 6, tzinfo=UTC)
TAKEN = READ_AT - timedelta(hours=4)
PROVED = TAKEN - timedelta(days=1)


def tenant(slug: str, state: State = State.ACTIVE, **fields: Any) -> TenantOverview:
    """A tenant with two backups, the older one verified; keywords change its fields."""
    known: dict[str, Any] = {
        "history": (
            BackupPoint("b1", PROVED, 900, Status.VERIFIED),
            BackupPoint("b2", TAKEN, 1100, None),
        ),
        "backups": 2,
        "oldest_at": PROVED,
        "stored_bytes": 2000,
        "latest": LatestBackup("b2", TAKEN, TAKEN, 420, 50_000, 1000, 0.25, True),
        "proof": Proof("b1", PROVED, PROVED + timedelta(hours=1), 1.5),
        "verdict": Status.VERIFIED,
    }
    return replace(new_tenant(slug, state), **{**known, **fields})


def new_tenant(slug: str, state: State = State.ACTIVE) -> TenantOverview:
    """A tenant without any backup."""
    return TenantOverview(f"id-{slug}", slug, slug.title(), f"tenant_{slug}", state)


def platform(**fields: Any) -> TenantOverview:
    """The platform part, never backed up."""
    return TenantOverview(PLATFORM_ID, PLATFORM_ID, "Platform part", "", State.ACTIVE, **fields)


def fleet(*tenants: TenantOverview, **fields: Any) -> Fleet:
    """These tenants, beside a platform part that was never backed up."""
    known: dict[str, Any] = {
        "read_at": READ_AT,
        "seconds": 0.5,
        "platform": platform(),
        "tenants": tenants,
        "store_bytes": 12_345,
        "throughput": Throughput(3, 3000, 1.5),
    }
    return Fleet(**{**known, **fields})
