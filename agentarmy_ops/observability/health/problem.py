"""What can be wrong, and with whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from agentarmy_ops.observability.fleet.model import PLATFORM_ID

__all__ = ["PLATFORM_ID", "TRANSIENT", "Check", "Findings", "Key"]


class Check(StrEnum):
    """What is looked at; where ``agentarmy-ops doctor`` looks at the same, under its name.

    The first seven concern the platform, the last three its part of the backups or a tenant's.
    """

    LIVE_DATABASE = "live-database"
    REGISTRY = "registry"
    LOCK_BUDGET = "lock-budget"
    SCRATCH_SERVER = "scratch-server"
    BACKUP_STORE = "backup-store"
    REDIS = "redis"
    UNREGISTERED_SCHEMA = "unregistered-schema"
    MISSING_SCHEMA = "missing-schema"
    ROW_LEVEL_SECURITY = "row-level-security"
    STALE_BACKUP = "stale-backup"
    FAILED_VERIFICATION = "failed-verification"
    OVERDUE_VERIFICATION = "overdue-verification"


# A server that does not answer may be restarting: it counts when it does not the next time either.
TRANSIENT = frozenset({Check.LIVE_DATABASE, Check.SCRATCH_SERVER, Check.BACKUP_STORE, Check.REDIS})


class Key(NamedTuple):
    """One check of one tenant, or of the platform (:data:`PLATFORM_ID`)."""

    check: Check
    tenant_id: str


@dataclass(frozen=True)
class Findings:
    """What is wrong at the moment: the cause by key. Nothing was found out about ``unchecked``
    keys, nor about checks in ``skipped``; what was known of them stays as it was."""

    problems: Mapping[Key, str]
    skipped: frozenset[Check] = frozenset()
    unchecked: frozenset[Key] = field(default_factory=frozenset)

    def tells_of(self, key: Key) -> bool:
        """Whether it was found out if this is well or not."""
        return key.check not in self.skipped and key not in self.unchecked
