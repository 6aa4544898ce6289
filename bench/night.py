"""An instance of Dagster over a fleet, as an operator has it, and one night of it."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml
from dagster import EventLogEntry
from dagster_postgres.event_log import PostgresEventLogStorage

from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.storage import OpsPostgresStorage
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from bench.fleets import Fleet
from bench.lab import say
from bench.measure import run, seconds
from bench.report import Row
from bench.servers import create_database

# The sensors would ask for the tenants before the schedule does, and for more of them.
_SENSORS = ("tenant_registry_sensor", "stale_backup_sensor")
_START = timedelta(seconds=20)  # what daemon and code location need before the tick
_PATIENCE = 300.0
_SAMPLE = 200  # tenants whose events are written again


@dataclass
class Night:
    """One instance of Dagster over a fleet, below a folder of its own: as ``dagster.yaml`` says
    after ``change`` was called with it, and with these settings."""

    folder: Path
    fleet: Fleet
    storage: ConnInfo
    settings: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[dict[str, Any]], object] = lambda _: None
    _home: Path = field(init=False)

    def __post_init__(self) -> None:
        self._home = self.folder / "dagster"
        self._home.mkdir(parents=True)
        root = Path(__file__).parent.parent
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(root / name, self._home)
        instance = self._home / "dagster.yaml"
        document = yaml.safe_load(instance.read_text())
        self.change(document)
        instance.write_text(yaml.safe_dump(document))
        OpsPostgresStorage(self.storage.url)  # makes the tables
        events = OpsEventLogStorage(self.storage.url)
        events.add_dynamic_partitions(PARTITIONS_NAME, [t.slug for t in self.fleet.tenants])
        events.dispose()
        for sensor in _SENSORS:
            workspace = str(self._home / "workspace.yaml")
            command = [_program("dagster"), "sensor", "stop", sensor, "-w", workspace]
            run(command, environment=self.variables())

    def measure(self) -> Row:
        """Let the schedule tick once; seconds after the tick.

        Raises:
            RuntimeError: the night did not end well.
        """
        tick = next_tick()
        with self.daemon(tick), self.storage.connect(autocommit=True) as connection:
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
            (run_id,) = connection.execute(load_sql(__file__, "night_run")).fetchone() or ("",)
        kinds: dict[object, list[EventLogEntry]] = {}
        for entry in source.get_logs_for_run(run_id):
            if entry.dagster_event is None or entry.dagster_event.partition:
                kinds.setdefault(entry.dagster_event_type, []).append(entry)
        source.dispose()
        # Of each kind, a tenant of the run has one.
        sample = min(_SAMPLE, *map(len, kinds.values()))
        entries = [entry for same in kinds.values() for entry in same[:sample]]
        return 1000 * seconds(partial(_store, target, entries)) / sample

    @property
    def store(self) -> Path:
        """The folder of the backups."""
        return self.folder / "backups"

    @contextmanager
    def daemon(self, tick: datetime) -> Iterator[psutil.Process]:
        """The daemon and the code location, with one tick of the schedule at that minute."""
        variables = self.variables() | {"NIGHTLY_BACKUP_CRON": f"{tick:%M %H} * * *"}
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
                yield psutil.Process(process.pid)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait()

    def variables(self) -> dict[str, str]:
        """What the daemon and its runs are given."""
        return {
            "ENVIRONMENT": "testing",
            "DAGSTER_HOME": str(self._home),
            "AGENTARMY_HOME": str(self.folder / "home"),
            "DATABASE_URL": self.fleet.database.with_params(user=OWNER_ROLE).url,
            "BACKUP_DATABASE_URL": self.fleet.conninfo.url,
            "DAGSTER_DATABASE_URL": self.storage.url,
            "BACKUP_STORE_URL": self.store.as_uri(),
            "SCHEDULE_TIMEZONE": "UTC",
            **self.settings,
        }


def next_tick() -> datetime:
    """The next minute that leaves time to start a daemon."""
    tick = (datetime.now(UTC) + _START).replace(second=0, microsecond=0) + timedelta(minutes=1)
    say(f"  waiting for the tick at {tick:%H:%M} UTC")
    return tick


def _store(storage: PostgresEventLogStorage, entries: Sequence[EventLogEntry]) -> None:
    for entry in entries:
        storage.store_event(entry)
    storage.dispose()


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)
