"""Which backups are kept. A pure plan over a listing; :mod:`.prune` carries it out.

A policy counts days, weeks and months *that have a backup*, the newest first, never days on a
calendar since today. So a tenant of whom no new backup is made loses none, however long that lasts,
and neither does a clock that is wrong by years where backups are pruned.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.backups.catalog import CatalogEntry
from agentarmy_ops.backups.reference import BackupRef, time_of
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import InvalidInputError


@dataclass(frozen=True)
class Policy:
    """How many days, weeks and months with a backup keep one each."""

    daily: int
    weekly: int
    monthly: int

    def __str__(self) -> str:
        return f"daily={self.daily} weekly={self.weekly} monthly={self.monthly}"

    def overridden(self, text: str) -> "Policy":
        """This policy with the counts that ``text`` names, such as ``daily=14 monthly=24``.

        Raises:
            InvalidInputError: it is not such a text.
        """
        counts: dict[str, int] = {}
        for word in text.split():
            name, _, value = word.partition("=")
            if name not in _PERIODS or name in counts or not (value.isascii() and value.isdigit()):
                raise InvalidInputError(
                    f"{text!r} is not a retention policy; they look like "
                    "'daily=14 weekly=8 monthly=24'"
                )
            counts[name] = int(value)
        return Policy(
            **{"daily": self.daily, "weekly": self.weekly, "monthly": self.monthly} | counts
        )


@dataclass(frozen=True)
class Decision:
    """What becomes of a backup. ``reasons`` say why it is kept; without any it is removed."""

    entry: CatalogEntry
    reasons: tuple[str, ...]

    @property
    def keep(self) -> bool:
        """Whether anything keeps it."""
        return bool(self.reasons)


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _week(moment: datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04d}-W{week:02d}"


def _month(moment: datetime) -> str:
    return moment.date().isoformat()[: len("2026-11")]


# Names of periods sort by time. All in UTC, as backup ids are; weeks are those of ISO 8601.
_PERIODS: dict[str, Callable[[datetime], str]] = {"daily": _day, "weekly": _week, "monthly": _month}


def plan(
    entries: Sequence[CatalogEntry],
    policy: Policy,
    now: datetime,
    needed: Collection[BackupRef] = (),
) -> list[Decision]:
    """Decide on all complete backups of one tenant, or of the platform part; newest first.

    Kept are, of each of the newest days, weeks and months with a backup that the policy counts, the
    newest verified one; where none is verified, the newest. This is reckoned twice, and what
    either keeps is kept: without backups that are known to be bad (``failed``, or their archive is
    missing), so that a bad one never takes the place of another; and with them, so that they stay
    as long as others of their age and can be looked into. Always kept are the newest backup, the
    newest that is not known to be bad, the newest verified one, and those in ``needed``.

    A backup whose id lies after ``now`` was made by a clock that is ahead, or ours is behind: it is
    kept and does not count. This is all that ``now`` is for.
    """
    ordered = sorted(entries, key=lambda entry: entry.ref.backup_id, reverse=True)
    reasons: dict[BackupRef, list[str]] = {entry.ref: [] for entry in ordered}

    def keep(entry: CatalogEntry, reason: str) -> None:
        if reason not in reasons[entry.ref]:
            reasons[entry.ref].append(reason)

    past = []
    for entry in ordered:
        if time_of(entry.ref.backup_id) > now:
            keep(entry, "from the future")
        else:
            past.append(entry)
    sound = [entry for entry in past if _grade(entry) > _BAD]
    for entry in past[:1]:
        keep(entry, "newest")
    for entry in sound[:1]:
        if entry != past[0]:
            keep(entry, "newest not failed")
    for entry in [entry for entry in sound if _grade(entry) == _VERIFIED][:1]:
        keep(entry, "newest verified")
    for name, count in (
        ("daily", policy.daily),
        ("weekly", policy.weekly),
        ("monthly", policy.monthly),
    ):
        for counted in (sound, past):
            for period, entry in _best_of_periods(counted, _PERIODS[name], count):
                keep(entry, f"{name} {period}")
    for entry in ordered:
        if entry.ref in needed:
            keep(entry, "tenants' backups go upon it")
    return [Decision(entry, tuple(reasons[entry.ref])) for entry in ordered]


_BAD, _NOT_VERIFIED, _VERIFIED = range(3)


def _grade(entry: CatalogEntry) -> int:
    if entry.archive is None or entry.status is Status.FAILED:
        return _BAD
    return _VERIFIED if entry.status is Status.VERIFIED else _NOT_VERIFIED


def _best_of_periods(
    newest_first: Iterable[CatalogEntry], period_of: Callable[[datetime], str], count: int
) -> list[tuple[str, CatalogEntry]]:
    """The newest ``count`` periods with a backup, and the newest of the best ones in each."""
    best: dict[str, CatalogEntry] = {}
    for entry in newest_first:
        period = period_of(time_of(entry.ref.backup_id))
        if period not in best:
            if len(best) == count:
                break
            best[period] = entry
        elif _grade(entry) > _grade(best[period]):
            best[period] = entry
    return list(best.items())
