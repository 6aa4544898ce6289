"""What the fleet's pages cost for many tenants."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from http.client import HTTPConnection
from time import perf_counter

from agentarmy_ops_tests.web.fleet.invented import large_fleet
from agentarmy_ops_tests.web.fleet.reading import Reading
from agentarmy_ops_tests.web.site import served
from bench.lab import Lab, say
from bench.report import Goal, Row, at_most
from bench.section import Section

_REQUESTS = 50
_GOAL_MS = 200.0
_PATHS = {
    "/fleet": "the first page",
    "/fleet?page=77": "a later page",
    "/fleet?sort=stored&order=desc": "sorted",
    "/fleet?q=acme+1&freshness=fresh&sort=age": "searched, filtered, sorted",
    "/fleet/acme-00002": "one tenant",
    "/fleet.json?q=acme": "some as JSON",
    "/fleet.json": "all as JSON",
}
_PAGES = {what for path, what in _PATHS.items() if not path.startswith("/fleet.json")}


def measure(lab: Lab) -> Iterator[Row]:
    """The time until a reading can be shown, and a row for each page."""
    tenants, _ = lab.size.exporter
    say(f"  fleetpage: {tenants} tenants")
    reading, fleet = Reading(), large_fleet(tenants)
    with served(reading.pages()) as site:
        started = perf_counter()
        reading.read(fleet)
        yield {"what": "a new reading made ready", "median ms": 1000 * (perf_counter() - started)}
        connection = HTTPConnection("127.0.0.1", site.port)
        for path, what in _PATHS.items():
            yield {"what": what, **_asked(connection, path)}
        connection.close()


def _asked(connection: HTTPConnection, path: str) -> Row:
    """The first answer is not counted: it makes the order that the others find."""
    taken = []
    for _ in range(_REQUESTS + 1):
        started = perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        taken.append(1000 * (perf_counter() - started))
        if response.status != 200:  # noqa: PLR2004
            raise RuntimeError(f"{path}: {response.status}")
    first, *later = taken
    return {
        "first ms": first,
        "median ms": statistics.median(later),
        "p98 ms": statistics.quantiles(later, n=50)[-1],
        "kB": len(body) / 1000,
    }


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """A page of the table, of any kind."""
    medians = [float(row["median ms"] or 0) for row in rows if row["what"] in _PAGES]
    yield at_most(
        f"a page takes at most {_GOAL_MS:g} ms", max(medians, default=None), _GOAL_MS, " ms"
    )


SECTION = Section(
    name="fleetpage",
    title="/fleet of many tenants",
    about="""\
Pages of an invented fleet in which each tenant has 30 backups, over HTTP, one after the other on
one connection; server and client share a process. *First* is the first time that a page is asked
for, *median* and *p98* are of the 50 times after that. What registry and store take to be read is
the section before.
""",
    measure=measure,
    goals=goals,
)
