"""What is promised of every tenant's backups."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from agentarmy_ops.settings import Settings


@dataclass(frozen=True)
class Targets:
    """What is promised: how old the newest backup may be, how old the newest that was verified,
    and how many seconds a restore may take."""

    backup_age: timedelta
    proof_age: timedelta
    restore_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of ``BACKUP_FRESHNESS_HOURS``, ``VERIFICATION_FRESHNESS_DAYS`` and
        ``RESTORE_TARGET_SECONDS``."""
        return cls(
            timedelta(hours=settings.backup_freshness_hours),
            timedelta(days=settings.verification_freshness_days),
            settings.restore_target_seconds,
        )
