"""What became a problem, and what is one no more, since one looked last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agentarmy_ops.observability.health.problem import TRANSIENT, Findings, Key

# Dagster writes their events one by one: 10 ms each where the storage waits for its disk. The
# daemon's other sensors wait meanwhile.
MOST_CHANGES = 500
# What is known is stored with each tick of the sensor: 100 KB at most.
MOST_KNOWN = 5_000


class Seen(NamedTuple):
    """A problem that was there the last time. ``since`` is the Unix time at which it was seen
    first; ``raised``: somebody was told."""

    since: int
    raised: bool


@dataclass(frozen=True)
class Step:
    """``seen`` is what is known from now on. ``raised`` are new problems and their causes,
    ``recovered`` the Unix times since which there were those that are gone. ``waiting`` is how many
    changes are left to the next time."""

    seen: Mapping[Key, Seen]
    raised: Mapping[Key, str]
    recovered: Mapping[Key, int]
    waiting: int = 0


def advance(
    seen: Mapping[Key, Seen],
    findings: Findings,
    now: int,
    *,
    most_changes: int = MOST_CHANGES,
    most_known: int = MOST_KNOWN,
) -> Step:
    """Compare what was known with what was found now (Unix time).

    A problem of :data:`TRANSIENT` is raised when it is found twice in a row, any other at once.
    Who recovers comes first. What is left to the next time is as if it had not been looked at.
    """
    after: dict[Key, Seen] = {}
    raised: dict[Key, str] = {}
    recovered: dict[Key, int] = {}
    waiting = 0
    for key, was in seen.items():
        if key in findings.problems or not findings.tells_of(key):
            after[key] = was
        elif was.raised and len(recovered) >= most_changes:
            after[key] = was
            waiting += 1
        elif was.raised:
            recovered[key] = was.since
    for key, cause in findings.problems.items():
        known = after.get(key)
        if known is not None and known.raised:
            continue
        full = known is None and len(after) >= most_known
        if full or len(raised) + len(recovered) >= most_changes:
            waiting += 1
            continue
        counts = known is not None or key.check not in TRANSIENT
        after[key] = Seen(known.since if known else now, counts)
        if counts:
            raised[key] = cause
    return Step(after, raised, recovered, waiting)
