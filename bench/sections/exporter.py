"""What /metrics costs for many tenants."""

import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

from bench.lab import Lab, say
from bench.listed_fleet import ListedFleet, listed_fleet
from bench.measure import high_water
from bench.report import Goal, Row, at_most
from bench.section import Section
from bench.sizes import MB

_ROOT = Path(__file__).parents[2]
# As often as a browser with some pages open would ask, not as fast as it goes.
_PAUSE_SECONDS = 0.005
_IDLE_SECONDS = 3
_SCRAPES = 50
_SCRAPE_GOAL_SECONDS = 2.0
_LATENCY_GOAL_MS = 50.0


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each reading, and for each way to scrape."""
    tenants, nights = lab.size.exporter
    say(f"  exporter: {tenants} tenants with {nights} backups each")
    fleet = listed_fleet(lab, tenants, nights)
    with _server(fleet) as (port, pid):
        yield {"what": "nothing", **_latency(port, lambda: sleep(_IDLE_SECONDS))}
        yield {"what": "first reading", **_reading(port, pid)}
        yield {"what": "reading, nothing new", **_reading(port, pid)}
        fleet.store_night(datetime.now(UTC))
        yield {"what": "reading, a night later", **_reading(port, pid)}
        for what, coding in (("scrape", "identity"), ("scrape, gzip", "gzip")):
            yield {"what": what, **_scraped(port, coding), "peak MB": high_water(pid) / MB}


@contextmanager
def _server(fleet: ListedFleet) -> Iterator[tuple[int, int]]:
    """Port and process of ``bench.scraped``."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.scraped", fleet.database.url, str(fleet.root)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout  # noqa: S101 - a pipe
            yield int(server.stdout.readline()), server.pid
        finally:
            server.terminate()


def _get(connection: HTTPConnection, path: str, coding: str = "identity") -> bytes:
    connection.request("GET", path, headers={"Accept-Encoding": coding})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:  # noqa: PLR2004
        raise RuntimeError(f"{path}: {body.decode()}")
    return body


def _read(port: int) -> float:
    return float(_get(HTTPConnection("127.0.0.1", port), "/read"))


def _reading(port: int, pid: int) -> Row:
    taken: list[float] = []
    latency = _latency(port, lambda: taken.append(_read(port)))
    return {"seconds": taken[0], **latency, "peak MB": high_water(pid) / MB}


def _latency(port: int, meanwhile: Callable[[], object]) -> Row:
    """Of a route that has nothing to do, while something else goes on."""
    done, times = threading.Event(), list[float]()

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", port)
        while not done.is_set():
            started = monotonic()
            _get(connection, "/trivial")
            times.append(monotonic() - started)
            sleep(_PAUSE_SECONDS)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        meanwhile()
    finally:
        done.set()
        thread.join()
    return {**_quantiles(times, "trivial route"), "max ms": max(times) * 1000}


def _scraped(port: int, coding: str) -> Row:
    connection = HTTPConnection("127.0.0.1", port)
    times, size = [], 0
    for _ in range(_SCRAPES):
        started = monotonic()
        size = len(_get(connection, "/metrics", coding))
        times.append(monotonic() - started)
    return {"seconds": max(times), "MB": size / MB, **_quantiles(times, "scrape")}


def _quantiles(times: Sequence[float], what: str) -> Row:
    hundredths = statistics.quantiles(times, n=100, method="inclusive")
    return {f"{what} p50 ms": hundredths[49] * 1000, f"{what} p99 ms": hundredths[98] * 1000}


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """A scrape, and what a reading does to other requests."""
    seconds = [float(row["seconds"] or 0) for row in rows if row.get("scrape p99 ms")]
    yield at_most(
        f"the slowest scrape takes at most {_SCRAPE_GOAL_SECONDS:g} s",
        max(seconds, default=None),
        _SCRAPE_GOAL_SECONDS,
        " s",
    )
    during = [
        float(row["trivial route p99 ms"] or 0) for row in rows if "reading" in str(row["what"])
    ]
    yield at_most(
        f"99 of 100 other requests take at most {_LATENCY_GOAL_MS:g} ms while the fleet is read",
        max(during, default=None),
        _LATENCY_GOAL_MS,
        " ms",
    )


SECTION = Section(
    name="exporter",
    title="Metrics of many tenants",
    about="""\
A registry of so many tenants in PostgreSQL, and a store in a folder with a backup of each for
as many nights, each with an archive, a manifest and a verdict. A process reads them, as the gateway
does in the background, and serves `/metrics` over HTTP. The *trivial route* of the same process is
asked every 5 ms by one client, meanwhile; in the row *nothing* the process has nothing else to do.
*Seconds* of a scrape are those of the slowest of 50.
""",
    measure=measure,
    goals=goals,
)
