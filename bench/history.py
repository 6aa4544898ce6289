"""How Dagster's storage grows with every night, and what pruning it takes and gives back."""

import secrets
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self

import psycopg
from dagster import EventLogEntry

from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops.orchestration.run_history import prune_runs
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.embedded import start_embedded
from bench.fleets import Fleet
from bench.lab import Lab, say
from bench.measure import seconds
from bench.night import Night
from bench.report import Goal, Row, at_most
from bench.servers import create_database
from bench.sizes import MB

_NIGHTS, _KEPT = 90, 30
_MOST_TENANTS = 1000
_DAY = 86_400.0
_SLOWEST_MS = 1000.0
_WRITES = "slowest write meanwhile ms"
_PER_TENANT = "bytes of table per tenant and night"

Connection = psycopg.Connection[Any]


def measure(lab: Lab) -> Iterator[Row]:
    """A real night, the same 89 times more, and the prune of all but the last 30."""
    fleet = lab.fleet or lab.grow(min(_MOST_TENANTS, max(lab.size.steps[lab.major])))
    fleet = Fleet(fleet.server, fleet.database, fleet.tenants[:_MOST_TENANTS])
    count, token = len(fleet.tenants), secrets.token_hex(4)
    dagster = start_embedded(lab.home / "dagster-16")
    storage = create_database(dagster, f"history_{token}")
    night = Night(lab.folder / f"history-{token}", fleet, storage)
    with storage.connect(autocommit=True) as connection:
        night.measure()
        connection.execute("VACUUM ANALYZE")
        yield {"when": "after a night", "tenants": count, "s": None, **_row(connection, count, 1)}
        say(f"  {_NIGHTS - 1} more nights of {count} tenants")
        taken = seconds(partial(_replay, connection))
        connection.execute("VACUUM ANALYZE")
        yield {
            "when": f"after {_NIGHTS} nights",
            "tenants": count,
            "s": taken,
            **_row(connection, count, _NIGHTS),
        }
        before = datetime.now(UTC) - timedelta(days=_KEPT)
        for what, apply in (("counted what may go", False), ("pruned", True), ("again", True)):
            with _Writer(storage) as writer:
                taken = seconds(partial(_prune, connection, before, apply))
            yield {
                "when": what,
                "tenants": count,
                "s": taken,
                **_row(connection, count, _NIGHTS if not apply else _KEPT),
                _WRITES: writer.slowest_ms,
            }
        for statement in ("VACUUM (ANALYZE)", "VACUUM FULL"):
            taken = seconds(partial(connection.execute, statement.encode()))
            yield {
                "when": statement,
                "tenants": count,
                "s": taken,
                **_row(connection, count, _KEPT),
            }


def _replay(connection: Connection) -> None:
    """The real night becomes the oldest; copies follow, one for each day up to today."""
    rows = connection.execute(
        "SELECT run_id FROM runs WHERE pipeline_name = 'backup_tenants'"
    ).fetchall()
    for (run_id,) in rows:
        _shift(connection, run_id, -(_NIGHTS - 1) * _DAY)
    for number in range(1, _NIGHTS):
        for (run_id,) in rows:
            parameters: Mapping[str, object] = {
                "run": run_id,
                "copy": str(uuid.uuid4()),
                "seconds": number * _DAY,
            }
            connection.execute(load_sql(__file__, "replay_run"), parameters)


def _shift(connection: Connection, run_id: str, by: float) -> None:
    connection.execute(
        "UPDATE runs SET start_time = start_time + %(by)s, end_time = end_time + %(by)s"
        " WHERE run_id = %(run)s",
        {"by": by, "run": run_id},
    )


def _prune(connection: Connection, before: datetime, apply: bool) -> None:
    for _ in prune_runs(connection, before, apply=apply):
        pass


def _tables(connection: Connection) -> dict[str, int]:
    row = connection.execute(load_sql(__file__, "dagster_tables")).fetchone()
    assert row is not None  # noqa: S101 - a query without FROM has one row
    names = ("runs", "events", "tags", "snapshots", "event_bytes", "log", "tags_size", "database")
    return dict(zip(names, row, strict=True))


def _row(connection: Connection, tenants: int, nights: int) -> dict[str, float]:
    found = _tables(connection)
    return {
        "runs": found["runs"],
        "events": found["events"],
        "tags": found["tags"],
        "snapshots": found["snapshots"],
        "events as text MB": found["event_bytes"] / MB,
        "event_logs MB": found["log"] / MB,
        "asset_event_tags MB": found["tags_size"] / MB,
        "database MB": found["database"] / MB,
        _PER_TENANT: (found["log"] + found["tags_size"]) // (tenants * nights),
    }


class _Writer:
    """Writes an event 20 times a second, as a run under way does, and notes the slowest."""

    def __init__(self, storage: ConnInfo) -> None:
        self._storage = OpsEventLogStorage(storage.url)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.slowest_ms = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._storage.dispose()

    def _write(self) -> None:
        while not self._done.wait(0.05):
            entry = EventLogEntry(  # type: ignore[no-untyped-call]
                error_info=None,
                level=20,
                user_message="a line",
                run_id="bench",
                timestamp=time.time(),
            )
            started = time.monotonic()
            self._storage.store_event(entry)
            self._storage.write_collected()
            self.slowest_ms = max(self.slowest_ms, 1000 * (time.monotonic() - started))


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What pruning must not do."""
    slowest = [float(str(row[_WRITES])) for row in rows if row.get(_WRITES) is not None]
    yield at_most(
        "a run under way never waits longer for the prune",
        max(slowest, default=None),
        _SLOWEST_MS,
        " ms",
    )
