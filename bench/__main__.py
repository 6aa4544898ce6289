"""``python -m bench``: measure, print, and write results."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

import click
from rich.console import Console

from bench import results as records
from bench.lab import Lab, say
from bench.machine import machine_facts
from bench.plot import can_plot, plot_growth
from bench.report import goal_rows, terminal
from bench.runner import Runner
from bench.section import Section
from bench.sections import SECTIONS, fleet
from bench.sizes import SIZES

_NAMES = [section.name for section in SECTIONS]


def _chosen(_: click.Context, __: click.Parameter, value: str | None) -> list[Section]:
    if not value:
        return list(SECTIONS)
    names = value.split(",")
    if unknown := sorted(set(names) - set(_NAMES)):
        raise click.BadParameter(f"no section {', '.join(unknown)}; there are {', '.join(_NAMES)}")
    return [section for section in SECTIONS if section.name in names]


@click.command()
@click.option("--size", type=click.Choice(list(SIZES)), default="small", show_default=True)
@click.option("--only", callback=_chosen, help=f"Sections, by commas: {', '.join(_NAMES)}.")
@click.option("--major", type=int, multiple=True, help="PostgreSQL major; all the size has.")
@click.option("--tenants", help="Sizes of the fleet, by commas, in the place of the size's own.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=records.ROOT / ".bench",
    help="Where servers and backups are kept. [default: .bench]",
)
@click.option("--keep", is_flag=True, help="Leave databases and backups of this run there.")
@click.option("--docs", is_flag=True, help="Write docs/performance-results.md and its picture.")
@click.option("--render", is_flag=True, help="Measure nothing; show what was measured before.")
def main(  # noqa: PLR0917 - one per option
    size: str,
    only: list[Section],
    major: Sequence[int],
    tenants: str | None,
    home: Path,
    keep: bool,
    docs: bool,
    render: bool,
) -> None:
    """Measure the engine against stock programs over the same data in the same run."""
    started = monotonic()
    amounts = SIZES[size]
    if tenants:
        steps = tuple(sorted(int(number) for number in tenants.split(",")))
        amounts = replace(amounts, steps=dict.fromkeys(amounts.steps, steps))
    if unknown := sorted(set(major) - set(amounts.steps)):
        raise click.BadParameter(f"PostgreSQL {unknown[0]} is not embedded", param_hint="--major")
    home.mkdir(parents=True, exist_ok=True)
    machine = machine_facts(home, amounts.steps)
    results = records.load(size)
    if results is None or (results.machine != machine and not render):
        results = records.Results(size=size, machine=machine)
    runner = Runner(results)
    if not render:
        labs = [Lab(home, one, amounts) for one in major or amounts.steps]
        try:
            runner.run(labs, only)
        finally:
            if not keep:
                _clean(labs)
    _show(results, only)
    plot = _plot(results)
    records.save(results)
    if docs:
        records.publish(results, plot)
    say(f"{monotonic() - started:.0f} s in all; results in {records.folder(size)}")
    for error in runner.errors:
        click.echo(f"error: {error}", err=True)
    sys.exit(1 if runner.errors else 0)


def _clean(labs: Sequence[Lab]) -> None:
    say("dropping databases, removing backups (--keep leaves them)")
    for lab in labs:
        lab.clean()


def _show(results: records.Results, sections: Sequence[Section]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200)
    for name, value in results.machine.items():
        console.print(f"{name}: {value}", highlight=False)
    for section in sections:
        if rows := results.rows(section):
            console.print()
            console.print(terminal(section.title, rows))
        if goals := results.goals(section):
            console.print(terminal("Goals", goal_rows(goals)))


def _plot(results: records.Results) -> Path | None:
    rows = results.rows(fleet.SECTION)
    if not rows or not can_plot():
        return None
    target = records.folder(results.size) / "growth.svg"
    plot_growth(rows, target)
    return target


if __name__ == "__main__":
    main()
