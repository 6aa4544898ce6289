"""What is known of each tenant's backups at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from agentarmy_ops.backups.verdict import Status

# Stands for the platform part where a tenant's id is asked for; no UUID looks like it.
PLATFORM_ID = "platform"


class State(StrEnum):
    """Where a tenant is in its life. ``offboarding``: its erasure was asked for and cools off.
    ``missing``: the registry names a schema that does not exist. ``unregistered``: it has backups
    and no row in ``shared.tenants``."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    OFFBOARDING = "offboarding"
    MISSING = "missing"
    UNREGISTERED = "unregistered"


@dataclass(frozen=True, slots=True)
class BackupPoint:
    """One complete backup as a listing shows it. ``stored_bytes`` is the size of all its objects;
    ``status`` that of its newest verdict, None where there is none."""

    backup_id: str
    taken_at: datetime
    stored_bytes: int
    status: Status | None


@dataclass(frozen=True, slots=True)
class LatestBackup:
    """What the manifest of the newest complete backup says."""

    backup_id: str
    taken_at: datetime
    finished_at: datetime
    rows: int
    plain_bytes: int
    stored_bytes: int
    backup_seconds: float
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """The newest backup that was verified. ``taken_at`` is the moment it shows,
    ``restore_seconds`` the measured time of its restore."""

    backup_id: str
    taken_at: datetime
    verified_at: datetime
    restore_seconds: float | None


@dataclass(frozen=True, slots=True)
class TenantOverview:
    """One tenant, or the platform part (``tenant_id`` is then :data:`PLATFORM_ID`).

    ``history`` are its complete backups, oldest first, at most the newest
    :data:`~agentarmy_ops.observability.fleet.read.HISTORY`; ``backups`` and ``stored_bytes`` count
    all of them, and ``oldest_at`` is the moment that the oldest of all shows. ``verdict`` is that
    on the newest backup which has one. ``problem`` says what of this could not be read.
    """

    tenant_id: str
    slug: str
    name: str
    schema_name: str
    state: State
    history: tuple[BackupPoint, ...] = ()
    backups: int = 0
    oldest_at: datetime | None = None
    stored_bytes: int = 0
    latest: LatestBackup | None = None
    proof: Proof | None = None
    verdict: Status | None = None
    problem: str | None = None

    def is_fresh(self, now: datetime, target: timedelta) -> bool:
        """Whether the newest complete backup is younger than ``target``."""
        return bool(self.history) and now - self.history[-1].taken_at <= target


@dataclass(frozen=True, slots=True)
class Throughput:
    """What the newest batch of tenants that shared a dump achieved."""

    tenants: int
    plain_bytes: int
    seconds: float


@dataclass(frozen=True)
class Fleet:
    """All tenants by slug, at ``read_at``. ``problems`` are lines that concern all of them, such as
    a registry row that breaks the rule. Reading took ``seconds``."""

    read_at: datetime
    seconds: float
    platform: TenantOverview
    tenants: Sequence[TenantOverview]
    store_bytes: int
    throughput: Throughput | None = None
    problems: Sequence[str] = ()
    by_slug: Mapping[str, TenantOverview] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_slug", {each.slug: each for each in self.tenants})
