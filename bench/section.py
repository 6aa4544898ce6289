"""What a section of the bench is."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.lab import Lab
from bench.report import Goal, Row


def no_goals(rows: Sequence[Row]) -> Iterable[Goal]:  # noqa: ARG001 - the signature of all
    """For sections that only show."""
    return ()


@dataclass(frozen=True)
class Section:
    """One subject: ``measure`` yields the rows of its table.

    A section ``per_step`` is measured for each PostgreSQL major each time its fleet has grown;
    any other once, on the first major. ``about`` says in Markdown what the columns mean.
    """

    name: str
    title: str
    about: str
    measure: Callable[[Lab], Iterable[Row]]
    per_step: bool = False
    goals: Callable[[Sequence[Row]], Iterable[Goal]] = no_goals
