"""All tenants of a growing fleet: the engine, a loop of pg_dump, and the floor."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from agentarmy_ops.stores.local import LocalStore
from bench.baselines import Floor, loop_seconds_per_tenant
from bench.lab import Lab, back_up, fleet_store, plain_bytes, say
from bench.measure import PeakMemory, seconds
from bench.report import Goal, Row, at_least, at_most
from bench.section import Section
from bench.sizes import MB

_WARM_TENANTS = 100
_MANY = 1000
_OVER_FLOOR = 3
_GROWTH = 1.5
_TUNED = "enable_mergejoin=off"
_GROWTH_FROM, _GROWTH_TO = 100, 5000

MAJOR, TENANTS, EACH = "major", "tenants", "engine s/tenant"
OVER_LOOP, OVER_FLOOR, LOOP_EACH = "loop ÷ engine", "engine ÷ floor", "loop s/tenant (sampled)"
OVER_TUNED = "tuned loop ÷ engine"
# The bound of 16 was set where the loop had the good plan, so luck must not help to reach it.
_FASTER = {16: {OVER_LOOP: 30, OVER_TUNED: 30}, 18: {OVER_LOOP: 150}}


def measure(lab: Lab) -> Iterator[Row]:
    """The row of the fleet as it is now."""
    fleet = lab.current
    count = len(fleet.tenants)
    floor = Floor(lab, fleet)
    floor()
    back_up(fleet, lab.store(f"warm-{count}"), fleet.tenants[:_WARM_TENANTS])
    rounds = lab.size.rounds(count)
    engine_times, floor_times, peaks = [], [], []
    for number in range(rounds):
        # The last round's store stays, for the sections after this one.
        name = f"{fleet_store(count)}" if number == rounds - 1 else f"round-{count}-{number}"
        store = lab.store(name)
        with PeakMemory() as memory:
            engine_times.append(seconds(partial(_back_up, lab, count, store)))
        peaks.append(memory.tree)
        floor_times.append(seconds(floor))
    engine, lowest = statistics.median(engine_times), statistics.median(floor_times)
    say(f"  {count} tenants: engine {engine:.2f} s, floor {lowest:.2f} s; now the loop's sample")
    each = loop_seconds_per_tenant(lab, fleet)
    tuned = loop_seconds_per_tenant(lab, fleet, _TUNED)
    size = plain_bytes(lab.manifests[count])
    yield {
        MAJOR: lab.major,
        TENANTS: count,
        "plain MB": size / MB,
        "engine s": engine,
        EACH: engine / count,
        "engine MB/s": size / MB / engine,
        LOOP_EACH: each,
        "loop s (extrapolated)": each * count,
        OVER_LOOP: each * count / engine,
        "tuned loop s/tenant (sampled)": tuned,
        OVER_TUNED: tuned * count / engine,
        "floor s": lowest,
        OVER_FLOOR: engine / lowest,
        "engine peak MB": max(peaks) / MB,
    }


def _back_up(lab: Lab, count: int, store: LocalStore) -> None:
    lab.manifests[count] = back_up(lab.current, store, lab.current.tenants)


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What a fleet of many tenants was to reach, at the largest size measured."""
    for major in sorted({int(str(row[MAJOR])) for row in rows}):
        own = {int(str(row[TENANTS])): row for row in rows if row[MAJOR] == major}
        at = max(own)
        where = f"PostgreSQL {major}, {at:,} tenants" if at >= _MANY else f"PostgreSQL {major}"
        last = own[at] if at >= _MANY else None
        for column, bound in _FASTER.get(major, {}).items():
            text = f"{where}: {column} at least {bound}, from {_MANY:,} tenants on"
            yield at_least(text, _number(last, column), bound)
        text = f"{where}: {OVER_FLOOR} at most {_OVER_FLOOR}, from {_MANY:,} tenants on"
        yield at_most(text, _number(last, OVER_FLOOR), _OVER_FLOOR)
        first, final = _number(own.get(_GROWTH_FROM), EACH), _number(own.get(_GROWTH_TO), EACH)
        growth = final / first if first and final else None
        text = (
            f"PostgreSQL {major}: a tenant of {_GROWTH_TO:,} takes at most {_GROWTH}x as long as "
            f"one of {_GROWTH_FROM}"
        )
        yield at_most(text, growth, _GROWTH)


def _number(row: Row | None, column: str) -> float | None:
    return None if row is None else float(str(row[column]))


SECTION = Section(
    name="fleet",
    title="A fleet, by number of tenants",
    about="""\
*Engine* is `back_up_tenants` over all tenants into a store in a folder, fsync included, each
tenant with archive and manifest. *Loop* is stock `pg_dump -Fc --schema`, one tenant after the
other, into a file: **sampled** at equal distances, the median times the number of tenants, so the
few larger tenants count as usual ones, in the loop's favour. Whether PostgreSQL picks a very bad
plan for one of pg_dump's queries hangs on the rows that the last `ANALYZE` of the catalogue
happened to sample; *tuned loop* is the loop spared of it, by `enable_mergejoin=off`. *Floor* is
`COPY … TO STDOUT` of every table of all tenants by `psql` over one connection to `/dev/null`:
reading without catalogue, compression or store. The engine may use several connections at once;
loop and floor use one. *Plain* is the archives before compression. *Peak*
is the memory of the engine's process and its children (proportional set size, sampled each second),
without the server and with all manifests, which the bench keeps.
""",
    measure=measure,
    per_step=True,
    goals=goals,
)
