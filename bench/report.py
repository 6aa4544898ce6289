"""Tables: what a section measured, and what was to be reached."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

# A row of a table by column titles, which say the unit.
Row = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class Goal:
    """Something to be reached: ``met`` is None where this run says nothing of it."""

    text: str
    measured: str
    met: bool | None

    @property
    def word(self) -> str:
        """``yes``, ``no`` or ``not measured``."""
        return {True: "yes", False: "no", None: "not measured"}[self.met]


def at_least(text: str, value: float | None, bound: float, unit: str = "x") -> Goal:
    """A goal that ``value`` be ``bound`` or more."""
    if value is None:
        return Goal(text, "", None)
    return Goal(text, f"{show(value)}{unit}", value >= bound)


def at_most(text: str, value: float | None, bound: float, unit: str = "x") -> Goal:
    """A goal that ``value`` be ``bound`` or less."""
    if value is None:
        return Goal(text, "", None)
    return Goal(text, f"{show(value)}{unit}", value <= bound)


def show(value: str | float | None) -> str:
    """A value for people: numbers with three digits that count."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3  # noqa: PLR2004
    return f"{value:,.{digits if size >= 0.1 or not size else 4}f}"  # noqa: PLR2004


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Column titles in the order in which they first appear."""
    return list(dict.fromkeys(title for row in rows for title in row))


def goal_rows(goals: Iterable[Goal]) -> list[Row]:
    """Goals as rows of a table."""
    return [{"goal": goal.text, "measured": goal.measured, "reached": goal.word} for goal in goals]


def turned(rows: Sequence[Row]) -> list[Row]:
    """The table with a column for each row: for tables that are wider than a page."""
    first, *columns = columns_of(rows)
    names = [show(row.get(first)) for row in rows]
    return [
        {first: column, **{name: row.get(column) for name, row in zip(names, rows, strict=True)}}
        for column in columns
    ]


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    columns = columns_of(rows)
    right = [any(isinstance(row.get(column), int | float) for row in rows) for column in columns]
    lines = [
        f"| {' | '.join(columns)} |",
        f"|{'|'.join('--:' if number else '---' for number in right)}|",
        *(f"| {' | '.join(_cell(row.get(column)) for column in columns)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _cell(value: str | float | None) -> str:
    return show(value).replace("|", "\\|")


def terminal(title: str, rows: Sequence[Row]) -> Table:
    """Rows as a table for the terminal."""
    table = Table(title=title, title_justify="left")
    columns = columns_of(rows)
    for column in columns:
        number = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(show(row.get(column)) for column in columns))
    return table
