"""The small picture of how a tenant's backups grow, as the numbers that a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentarmy_ops.observability.fleet.model import BackupPoint
from agentarmy_ops.text import size

WIDTH, HEIGHT = 96, 24
_MARGIN = 3


@dataclass(frozen=True, slots=True)
class Trend:
    """``points`` is the attribute of a polyline in a box of ``WIDTH`` by ``HEIGHT``, ``area`` that
    of the polygon between it and zero; ``x`` and ``y`` the newest point; ``label`` says in words
    what is seen."""

    points: str
    area: str
    x: float
    y: float
    label: str


def trend(history: Sequence[BackupPoint]) -> Trend | None:
    """The stored sizes of backups, oldest first, one beside the other; the lower edge is zero, so
    that a slope is as steep as the growth. None where there are no two backups to compare."""
    if len(history) < 2:  # noqa: PLR2004
        return None
    sizes = [point.stored_bytes for point in history]
    largest = max(sizes) or 1
    step = (WIDTH - 2 * _MARGIN) / (len(sizes) - 1)
    bottom = HEIGHT - _MARGIN
    spots = [
        (
            round(_MARGIN + number * step, 1),
            round(bottom - (HEIGHT - 2 * _MARGIN) * one / largest, 1),
        )
        for number, one in enumerate(sizes)
    ]
    x, y = spots[-1]
    points = " ".join(f"{x:g},{y:g}" for x, y in spots)
    return Trend(
        points=points,
        area=f"{_MARGIN},{bottom} {points} {x:g},{bottom}",
        x=x,
        y=y,
        label=f"stored size of {len(sizes)} backups: from {size(sizes[0])} to {size(sizes[-1])}",
    )
