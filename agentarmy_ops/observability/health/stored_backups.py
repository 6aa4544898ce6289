"""What is wrong with the backups that a store lists of one tenant, or of the platform part."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agentarmy_ops.backups.catalog import CatalogEntry
from agentarmy_ops.backups.reference import time_of
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.health.problem import Check
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.text import age


def backup_problems(
    backups: Sequence[CatalogEntry], targets: Targets, now: datetime, exists_since: datetime
) -> Iterator[tuple[Check, str]]:
    """Problems with complete backups, oldest first, of who exists since that moment: until the
    target has passed since then, there was no time to make or verify one."""
    newest = backups[-1].ref.backup_id if backups else None
    if _is_late(newest, targets.backup_age, now, exists_since):
        found = (
            f"its newest backup, {newest}, is {_ago(newest, now)} old" if newest else "no backup"
        )
        yield Check.STALE_BACKUP, f"{found}; {_hours(targets.backup_age)} are the target"
    judged = [entry for entry in backups if entry.status is not None]
    if judged and judged[-1].status is Status.FAILED:
        yield (
            Check.FAILED_VERIFICATION,
            f"backup {judged[-1].ref.backup_id} was found bad; back up and verify again",
        )
    verified = [entry.ref.backup_id for entry in backups if entry.status is Status.VERIFIED]
    proven = verified[-1] if verified else None
    if _is_late(proven, targets.proof_age, now, exists_since):
        found = (
            f"its newest verified backup, {proven}, is {_ago(proven, now)} old"
            if proven
            else "no backup of it was ever verified"
        )
        yield Check.OVERDUE_VERIFICATION, f"{found}; {_hours(targets.proof_age)} are the target"


def _is_late(
    backup_id: str | None, target: timedelta, now: datetime, exists_since: datetime
) -> bool:
    return now - (time_of(backup_id) if backup_id else exists_since) > target


def _ago(backup_id: str, now: datetime) -> str:
    return age((now - time_of(backup_id)).total_seconds())


def _hours(target: timedelta) -> str:
    return age(target.total_seconds())
