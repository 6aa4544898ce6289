"""A night through Dagster, from the schedule's tick to the last tenant, against the engine alone.

``python -m bench.nightly --home FOLDER`` measures over the tenants of ``DATABASE_URL`` and
``BACKUP_DATABASE_URL``, which it only reads.
"""

import secrets
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

import click
from dagster_postgres.event_log import PostgresEventLogStorage
from rich.console import Console

from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import start_embedded
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.registry import read_tenants
from bench.fleets import Fleet
from bench.lab import Lab, back_up, say
from bench.measure import seconds
from bench.night import Night
from bench.report import Goal, Row, at_most, terminal
from bench.servers import create_database

MOST_TENANTS = 1000
_BOUND = 1.5
_RATIO = "night ÷ engine"
ABOUT = """\
`dagster-daemon` and the code location run as an operator has them, with Dagster's storage in an
embedded server of its own with the default configuration (fsync on). A real tick of
`nightly_backup` launches the run. *Night* is from the minute of the tick until the last tenant's
materialization can be read by another session: tick, queue, start of the run's process, backups,
events. The platform part follows in the same run and is not counted. *Engine* is `back_up_tenants`
in this process over the same tenants into a fresh store, once before the night and once after it;
the mean counts. *Run starts* and *first tenant* are seconds after the tick. *Events* is what it
takes to write the events of one tenant again (planned, log line, materialization), one after the
other, to an empty storage: by ours, and by the one Dagster comes with.
"""


def measure(folder: Path, server: ConnInfo, fleet: Fleet) -> Row:
    """The engine, the night and the engine again, over all tenants of the fleet."""
    count, token = len(fleet.tenants), secrets.token_hex(4)
    folder = folder / f"night-{token}"

    def engine(name: str) -> float:
        store = LocalStore(folder / name)
        taken = seconds(partial(back_up, fleet, store, fleet.tenants))
        say(f"  engine alone, {count} tenants: {taken:.1f} s")
        return taken

    night = Night(folder, fleet, create_database(server, f"night_{token}"))
    before = engine("engine-before")
    row = night.measure()
    say(f"  night, {count} tenants: {row['night s']:.1f} s")
    alone = mean([before, engine("engine-after")])
    ratio = float(str(row["night s"])) / alone
    return {
        "tenants": count,
        "engine s": alone,
        **row,
        _RATIO: ratio,
        "events ms/tenant": night.events_ms(OpsEventLogStorage),
        "by Dagster's own": night.events_ms(PostgresEventLogStorage),
    }


def run(lab: Lab) -> Iterable[Row]:
    """One row, over at most 1,000 tenants of the fleet."""
    fleet = lab.fleet or lab.grow(min(MOST_TENANTS, *lab.size.steps[lab.major]))
    server = start_embedded(lab.home / "dagster-16")
    yield measure(lab.folder, server, _first(fleet))


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What Dagster may add to the engine's time."""
    for row in rows:
        text = f"a night of {row['tenants']:,} tenants takes at most {_BOUND}x the engine alone"
        yield at_most(text, float(str(row[_RATIO])), _BOUND)


def _first(fleet: Fleet) -> Fleet:
    return Fleet(fleet.server, fleet.database, fleet.tenants[:MOST_TENANTS])


@click.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where Dagster's server, its instance and the backups are kept.",
)
def main(home: Path) -> None:
    """Measure a night over the tenants of DATABASE_URL and BACKUP_DATABASE_URL."""
    runtime, home = Runtime(), home.absolute()
    with runtime.registry() as connection:
        fleet = Fleet(runtime.owner, runtime.backup, read_tenants(connection))
    row = measure(home, start_embedded(home / "dagster-16"), _first(fleet))
    Console(width=None if sys.stdout.isatty() else 200).print(terminal("A night", [row]))


if __name__ == "__main__":
    main()
