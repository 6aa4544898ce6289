"""A tenant's backups over time, as the numbers that a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log10

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import BackupPoint
from agentarmy_ops.text import size, when

WIDTH, HEIGHT = 800, 260
LEFT, RIGHT, TOP, BOTTOM = 84, 16, 14, 34
_MOST_TICKS = 7
_HOUR, _DAY = 3600, 86400
_STEPS = (
    *(60, 300, 900, 1800, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 91 * _DAY, 365 * _DAY, 3650 * _DAY),
)
# What one backup alone has to its left and right.
_AROUND_ONE = 12 * _HOUR


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the plot and what it stands for; ``at`` is along its axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One backup. The verdict decides colour and shape; None: it has none."""

    x: float
    y: float
    verdict: Status | None
    label: str


@dataclass(frozen=True)
class Plot:
    """``line`` is the attribute of a polyline. ``summary`` says in words what is seen."""

    line: str
    marks: Sequence[Mark]
    times: Sequence[Tick]
    sizes: Sequence[Tick]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def plot(history: Sequence[BackupPoint]) -> Plot | None:
    """The stored sizes of backups, oldest first, over the moments they show, from zero up. None
    where there is no backup."""
    if not history:
        return None
    begin, end = (point.taken_at.timestamp() for point in (history[0], history[-1]))
    if begin == end:
        begin, end = begin - _AROUND_ONE, end + _AROUND_ONE
    largest = max(point.stored_bytes for point in history)
    steps = _size_step(largest)
    highest = -(-max(largest, 1) // steps) * steps
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x_of(moment: float) -> float:
        return round(LEFT + across * (moment - begin) / (end - begin), 1)

    def y_of(count: int) -> float:
        return round(HEIGHT - BOTTOM - up * count / highest, 1)

    marks = [
        Mark(
            x_of(point.taken_at.timestamp()),
            y_of(point.stored_bytes),
            point.status,
            f"{when(point.taken_at)}: {size(point.stored_bytes)}, {point.status or 'not verified'}",
        )
        for point in history
    ]
    return Plot(
        line=" ".join(f"{mark.x:g},{mark.y:g}" for mark in marks),
        marks=marks,
        times=[Tick(x_of(moment), text) for moment, text in _time_ticks(begin, end)],
        sizes=[Tick(y_of(count), size(count)) for count in range(0, highest + 1, steps)],
        summary=_summary(history),
    )


def _summary(history: Sequence[BackupPoint]) -> str:
    first, last = history[0], history[-1]
    counts = [
        f"{number} {word}"
        for status, word in (
            (Status.VERIFIED, "verified"),
            (Status.FAILED, "failed"),
            (None, "not verified"),
        )
        if (number := sum(point.status is status for point in history))
    ]
    if len(history) == 1:
        return f"One backup, of {when(first.taken_at)}: {size(first.stored_bytes)}."
    return (
        f"{len(history)} backups, from {size(first.stored_bytes)} on {first.taken_at:%Y-%m-%d} to "
        f"{size(last.stored_bytes)} on {last.taken_at:%Y-%m-%d}: {', '.join(counts)}."
    )


def _size_step(largest: int) -> int:
    """Bytes between two lines: 1, 2 or 5 times a power of ten of the unit that suits."""
    unit = 1
    while largest >= 1024 * unit and unit < 1 << 40:
        unit *= 1024
    rough = max(largest / unit / 4, 0.1)
    power = 10.0 ** int(log10(rough) // 1)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return max(1, round(step * unit))


def _time_ticks(begin: float, end: float) -> list[tuple[float, str]]:
    step = next((s for s in _STEPS if (end - begin) / s <= _MOST_TICKS), _STEPS[-1])
    text = "%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M"
    first = int(-(-begin // step) * step)
    return [
        (moment, datetime.fromtimestamp(moment, UTC).strftime(text))
        for moment in range(first, int(end) + 1, step)
    ]
