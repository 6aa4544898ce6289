"""A night over several run workers: how each variant is started, watched and counted."""

import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import psutil

from agentarmy_ops.backups.catalog import list_backups, load_manifest
from agentarmy_ops.backups.lock_budget import LOCK_CLASS
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.stores.local import LocalStore
from bench.fleets import Fleet
from bench.lab import plain_bytes, say
from bench.night import Night, next_tick
from bench.report import Row
from bench.servers import create_database
from bench.sizes import MB

_PATIENCE = 420.0
_LOOK_EVERY = 0.25
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Variant:
    """How a night is divided into runs, and how many of them may go at once."""

    name: str
    runs: int
    at_once: int
    cloud_run: bool = False
    one_is_killed: bool = False


@dataclass
class Peaks:
    """The most that was seen of the live server while the block ran, looked at 4 times a second."""

    server: ConnInfo
    database: str
    locks: int = 0
    reserved: int = 0
    connections: int = 0
    dumps: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        names = {"lock_class": LOCK_CLASS, "database": self.database}
        with self.server.connect(autocommit=True) as connection:
            while not self._done.wait(_LOOK_EVERY):
                query = load_sql(__file__, "watch_server")
                for row in connection.execute(query, names):
                    self.locks = max(self.locks, row[0])
                    self.reserved = max(self.reserved, row[1])
                    self.connections = max(self.connections, row[2])
                    self.dumps = max(self.dumps, row[3])


def measure(folder: Path, dagster_server: ConnInfo, fleet: Fleet, variant: Variant) -> Row:
    """One night of the variant: a row.

    Raises:
        RuntimeError: not every tenant was backed up in time.
    """
    say(f"  {variant.name}")
    token = secrets.token_hex(4)
    count = len(fleet.tenants)
    with _cloud_run(variant, folder / f"logs-{token}") as started:
        night = Night(
            folder / f"workers-{token}",
            fleet,
            create_database(dagster_server, f"workers_{token}"),
            settings={"MAX_PARTITIONS_PER_RUN": str(-(-count // variant.runs)), **started.settings},
            change=lambda document: _change(document, variant),
        )
        started.environment.update(night.variables())
        tick = next_tick()
        with (
            Peaks(fleet.server, str(fleet.database.params["dbname"])) as peaks,
            night.daemon(tick) as daemon,
        ):
            ended = _wait(night, tick, count, daemon if variant.one_is_killed else None)
        return {"night": variant.name, **_row(night, tick, ended, peaks, variant)}


@dataclass
class _Started:
    """What the double of Cloud Run was started with; it reads ``environment`` at each call."""

    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def _cloud_run(variant: Variant, logs: Path) -> Iterator[_Started]:
    if not variant.cloud_run:
        yield _Started()
        return
    # Of the tests, which need not be there for the other sections.
    from agentarmy_ops_tests.cloud_run.double import CloudRun  # noqa: PLC0415
    from bench.cloud_run import ADDRESS, JOB  # noqa: PLC0415

    root = str(Path(__file__).parent.parent)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    started = _Started(environment={"PATH": path, "PYTHONPATH": root})
    logs.mkdir(parents=True)
    double = CloudRun({JOB}, started.environment, logs=logs)
    started.settings = {ADDRESS: double.address, "PYTHONPATH": root}
    try:
        yield started
    finally:
        double.close()


def _change(document: dict[str, Any], variant: Variant) -> None:
    document["concurrency"]["runs"]["max_concurrent_runs"] = variant.at_once
    document["concurrency"]["pools"]["default_limit"] = variant.at_once
    # How soon a run whose worker was killed is noticed; on Cloud Run, a request for each look.
    document["run_monitoring"]["poll_interval_seconds"] = 10
    if variant.cloud_run:
        from bench.cloud_run import PROJECT, REGION  # noqa: PLC0415

        document["run_launcher"] = {
            "module": "bench.cloud_run",
            "class": "LauncherOverDouble",
            "config": {
                "project": PROJECT,
                "region": REGION,
                "job_name_by_code_location": {"agentarmy_ops": "agentarmy-run-worker"},
            },
        }


@dataclass(frozen=True)
class _Ended:
    """Tenants by how often they were recorded, the last moment one was, the runs' times."""

    recorded: Counter[str]
    last: float
    runs: Sequence[tuple[float, float, str]]
    killed_at: float | None


def _wait(night: Night, tick: datetime, count: int, daemon: psutil.Process | None) -> _Ended:
    deadline, killed_at = tick.timestamp() + _PATIENCE, None
    with night.storage.connect(autocommit=True) as connection:
        while True:
            tenants = connection.execute(load_sql(__file__, "night_tenants")).fetchall()
            runs = connection.execute(load_sql(__file__, "night_runs")).fetchall()
            recorded = Counter({slug: times for slug, times, _ in tenants})
            if daemon and killed_at is None and len(recorded) > count // 10:
                killed_at = _kill_one(daemon)
            if len(recorded) == count and all(status in _ENDED for _, _, status in runs):
                return _Ended(recorded, max(last for _, _, last in tenants), runs, killed_at)
            if time.time() > deadline:
                raise RuntimeError(f"{len(recorded)} of {count} tenants; see {night.folder}")
            time.sleep(0.05 if daemon and killed_at is None else 0.2)


def _kill_one(daemon: psutil.Process) -> float | None:
    """Kill a run's process that dumps right now; None when there is none."""
    for process in daemon.children(recursive=True):
        try:
            if any(child.name() == "pg_dump" for child in process.children()):
                process.kill()
                return time.time()
        except psutil.NoSuchProcess:
            continue
    return None


def _row(night: Night, tick: datetime, ended: _Ended, peaks: Peaks, variant: Variant) -> Row:
    store, fleet = LocalStore(night.store), night.fleet
    manifests = {
        tenant.slug: [load_manifest(store, entry.ref) for entry in list_backups(store, tenant.slug)]
        for tenant in fleet.tenants
    }
    first = min(start for start, _, _ in ended.runs if start)
    stored = [manifest for own in manifests.values() for manifest in own]
    seconds = ended.last - tick.timestamp()
    row: dict[str, Any] = {
        "runs": len(ended.runs),
        "at once, at most": variant.at_once,
        "at once, seen": most_at_once([(start, end) for start, end, _ in ended.runs if start]),
        "tenants": len(fleet.tenants),
        "manifests": len(stored),
        "materializations": ended.recorded.total(),
        "tenants not exactly once": sum(
            len(own) != 1 or ended.recorded[slug] != 1 for slug, own in manifests.items()
        ),
        "overlaps": sum(overlaps(own) for own in manifests.values()),
        "dumps at once": peaks.dumps,
        "locks, peak": peaks.locks,
        "locks reserved, peak": peaks.reserved,
        "locks, half": server_locks(fleet.server) // 2,
        "connections, peak": peaks.connections,
        "first run starts s": first - tick.timestamp(),
        "night s": seconds,
        "tenants/s": len(fleet.tenants) / (ended.last - first),
        "MB/s": plain_bytes(stored) / MB / (ended.last - first),
    }
    if ended.killed_at:
        row["healed after s"] = ended.last - ended.killed_at
    return row


def most_at_once(intervals: Sequence[tuple[float, float]]) -> int:
    """How many intervals overlap at most."""
    steps = [(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def overlaps(manifests: Sequence[Manifest]) -> int:
    """How many backups of one tenant began before another of it had ended."""
    ordered = sorted(manifests, key=lambda manifest: manifest.started_at)
    return sum(later.started_at < earlier.finished_at for earlier, later in pairwise(ordered))


def server_locks(server: ConnInfo) -> int:
    """The entries of a server's lock table, as :mod:`agentarmy_ops.backups.plan` counts them."""
    with server.connect() as connection:
        row = connection.execute(load_sql(__file__, "server_locks")).fetchone()
    return int(row[0]) if row else 0
