"""A night through Dagster, from the schedule's tick to the last tenant, against the engine alone.

``python -m bench.nightly --home FOLDER`` measures over the tenants of ``DATABASE_URL`` and
``BACKUP_DATABASE_URL``, which it only reads.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import mean

import click
from dagster import EventLogEntry
from dagster_postgres.event_log import PostgresEventLogStorage
from rich.console import Console

from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.storage import OpsPostgresStorage
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.embedded import start_embedded
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops.tenants.registry import read_tenants
from bench.fleets import Fleet
from bench.lab import Lab, back_up, say
from bench.measure import run as run_command
from bench.measure import seconds
from bench.report import Goal, Row, at_most, terminal
from bench.servers import create_database

MOST_TENANTS = 1000
_BOUND = 1.5
_RATIO = "night ÷ engine"
# The sensors would ask for the tenants before the schedule does, and for more of them.
_SENSORS = ("tenant_registry_sensor", "stale_backup_sensor")
_START = timedelta(seconds=20)  # what daemon and code location need before the tick
_PATIENCE = 300.0
_SAMPLE = 200  # tenants whose events are written again

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


@dataclass
class Night:
    """One instance of Dagster over a fleet, below a folder of its own."""

    folder: Path
    fleet: Fleet
    storage: ConnInfo
    _home: Path = field(init=False)

    def __post_init__(self) -> None:
        self._home = self.folder / "dagster"
        self._home.mkdir(parents=True)
        root = Path(__file__).parent.parent
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(root / name, self._home)
        OpsPostgresStorage(self.storage.url)  # makes the tables
        events = OpsEventLogStorage(self.storage.url)
        events.add_dynamic_partitions(PARTITIONS_NAME, [t.slug for t in self.fleet.tenants])
        events.dispose()
        for sensor in _SENSORS:
            workspace = str(self._home / "workspace.yaml")
            command = [_program("dagster"), "sensor", "stop", sensor, "-w", workspace]
            run_command(command, environment=self._variables())

    def measure(self) -> Row:
        """Let the schedule tick once; seconds after the tick.

        Raises:
            RuntimeError: the night did not end well.
        """
        tick = (datetime.now(UTC) + _START).replace(second=0, microsecond=0) + timedelta(minutes=1)
        say(f"  waiting for the tick at {tick:%H:%M} UTC")
        with self._daemon(tick), self.storage.connect(autocommit=True) as connection:
            deadline = tick.timestamp() + _PATIENCE
            while time.time() < deadline:
                rows = connection.execute(load_sql(__file__, "night_events")).fetchall()
                at = {kind: (count, first, last) for kind, count, first, last in rows}
                now = time.time() - tick.timestamp()
                done = at.get("ASSET_MATERIALIZATION", (0, None, None))
                if done[0] == len(self.fleet.tenants):
                    return {
                        "run starts s": at["PIPELINE_START"][1] - tick.timestamp(),
                        "first tenant s": done[1] - tick.timestamp(),
                        "night s": now,
                    }
                if "PIPELINE_FAILURE" in at:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"{done[0]} tenants were backed up; see {self._home}/daemon.log")

    def events_ms(self, kind: type[PostgresEventLogStorage]) -> float:
        """Milliseconds to write what the night wrote of one tenant, again, to an empty storage."""
        token = secrets.token_hex(4)
        target = kind(create_database(self.storage, f"night_events_{token}").url)
        source = OpsEventLogStorage(self.storage.url)
        with self.storage.connect() as connection:
            (run,) = connection.execute(load_sql(__file__, "night_run")).fetchone() or ("",)
        entries = [
            entry
            for entry in source.get_logs_for_run(run)
            if entry.dagster_event is None or entry.dagster_event.partition
        ]
        source.dispose()
        sample = min(_SAMPLE, len(self.fleet.tenants))
        taken = seconds(partial(_store, target, _of_tenants(entries, sample)))
        return 1000 * taken / sample

    @contextmanager
    def _daemon(self, tick: datetime) -> Iterator[None]:
        """The daemon and the code location, with one tick of the schedule at that minute."""
        variables = self._variables() | {"NIGHTLY_BACKUP_CRON": f"{tick:%M %H} * * *"}
        with (self._home / "daemon.log").open("wb") as log:
            process = subprocess.Popen(
                [_program("dagster-daemon"), "run", "-w", str(self._home / "workspace.yaml")],
                cwd=self._home,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()

    def _variables(self) -> dict[str, str]:
        return {
            "ENVIRONMENT": "testing",
            "DAGSTER_HOME": str(self._home),
            "AGENTARMY_HOME": str(self.folder / "home"),
            "DATABASE_URL": self.fleet.database.with_params(user=OWNER_ROLE).url,
            "BACKUP_DATABASE_URL": self.fleet.conninfo.url,
            "DAGSTER_DATABASE_URL": self.storage.url,
            "BACKUP_STORE_URL": (self.folder / "backups").as_uri(),
            "SCHEDULE_TIMEZONE": "UTC",
        }


def _of_tenants(entries: Sequence[EventLogEntry], count: int) -> list[EventLogEntry]:
    """As many events of each kind: every tenant has one of each."""
    kinds: dict[object, list[EventLogEntry]] = {}
    for entry in entries:
        kinds.setdefault(entry.dagster_event_type, []).append(entry)
    return [entry for same in kinds.values() for entry in same[:count]]


def _store(storage: PostgresEventLogStorage, entries: Sequence[EventLogEntry]) -> None:
    for entry in entries:
        storage.store_event(entry)
    storage.dispose()


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


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
