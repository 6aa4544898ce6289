"""How far a batch is: a bar on a terminal, else a line per tenant; always on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agentarmy_ops.text import one_line

Report = Callable[[str], None]


@contextmanager
def progress(what: str, total: int) -> Iterator[Report]:
    """Call what this yields with one line after each of ``total`` steps."""
    if not sys.stderr.isatty():
        yield lambda line: click.echo(one_line(line), err=True)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[line]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, line="")
        yield lambda line: bar.update(task, advance=1, line=one_line(line))
