"""What commands write: JSON or tables on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentarmy_ops.text import one_line, when

# In the column of tenants: what belongs to none.
PLATFORM = "(platform)"

# Wide enough that a table in a pipe or file is never wrapped.
_FILE_WIDTH = 1000
_STYLES = {
    "ok": "green",
    "complete": "green",
    "verified": "green",
    "warn": "yellow",
    "error": "yellow",
    "held": "yellow",
    "remove": "yellow",
    "fail": "red",
    "failed": "red",
}

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON (keys: docs/cli.md) instead of a table."
)


def print_json(value: object) -> None:
    """The only thing on stdout of a command with ``--json``."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_encode))


def _encode(value: object) -> str:
    # Not "Z" to the second as in tables: JSON keeps what is known.
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """A table; columns whose name ends in ``#`` are numbers, and flush right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(
            column.removesuffix("#"),
            justify="right" if column.endswith("#") else "left",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _console().print(table)


def print_rows(columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[object]]) -> None:
    """A table of any length: each row is printed as it comes, so the widths of the columns have
    to be known. Columns whose name ends in ``#`` are numbers, and flush right."""
    names = [name.removesuffix("#") for name, _ in columns]
    right = [name.endswith("#") for name, _ in columns]
    widths = [max(width, len(name)) for name, (_, width) in zip(names, columns, strict=True)]

    def line(cells: Sequence[Text]) -> str:
        parts = []
        for cell, width, flush_right in zip(cells, widths, right, strict=True):
            padded = cell.plain.rjust(width) if flush_right else cell.plain.ljust(width)
            parts.append(click.style(padded, fg=str(cell.style)) if cell.style else padded)
        return "  ".join(parts).rstrip()

    click.echo(line([Text(name) for name in names]))
    for row in rows:
        click.echo(line([_cell(value) for value in row]))


def print_json_list(
    before: Mapping[str, object],
    name: str,
    items: Iterable[object],
    after: Callable[[], Mapping[str, object]] = dict,
) -> None:
    """A JSON object with a list of any length, which is written as it comes; ``after`` is asked for
    more keys when it has ended.

    When ``items`` raises, what is written is no JSON.
    """
    head = json.dumps(dict(before), indent=2, ensure_ascii=False, default=_encode)
    click.echo(f"{head[:-2]},\n  {json.dumps(name)}: [", nl=False)
    separator = ""
    for item in items:
        text = json.dumps(item, ensure_ascii=False, default=_encode)
        click.echo(f"{separator}\n    {text}", nl=False)
        separator = ","
    click.echo("\n  ]", nl=False)
    for key, value in after().items():
        text = json.dumps(value, ensure_ascii=False, default=_encode)
        click.echo(f",\n  {json.dumps(key)}: {text}", nl=False)
    click.echo("\n}")


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(Text(name, style="bold"), _cell(value))
    _console().print(table)


def print_error(message: str) -> None:
    """One line on stderr."""
    click.echo(f"Error: {one_line(message)}", err=True)


def note(message: str) -> None:
    """One line on stderr that is no error."""
    click.echo(one_line(message), err=True)


def _cell(value: object) -> Text:
    if isinstance(value, datetime):
        return Text(when(value))
    text = "" if value is None else one_line(str(value))
    return Text(text, style=_STYLES.get(text, ""))


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
