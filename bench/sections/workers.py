"""The same nightly fleet over one run worker and over several."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec

from agentarmy_ops.postgres.embedded import start_embedded
from bench.fleets import grown, new_fleet
from bench.lab import Lab
from bench.report import Goal, Row, at_most
from bench.section import Section
from bench.workers import Variant, measure

_TENANTS = 500
_WORKERS = 4
_SLOWER = 1.1
_ONE_AT_A_TIME, _AT_ONCE = "4 runs, one at a time", "4 runs at once"
_VARIANTS = (
    Variant("one run", runs=1, at_once=1),
    Variant(_ONE_AT_A_TIME, runs=_WORKERS, at_once=1),
    Variant(_AT_ONCE, runs=_WORKERS, at_once=_WORKERS),
    Variant("10 runs, 4 at once", runs=10, at_once=_WORKERS),
    Variant("4 at once, one worker killed", runs=_WORKERS, at_once=_WORKERS, one_is_killed=True),
)
_CLOUD_RUN = Variant("4 executions of Cloud Run", runs=_WORKERS, at_once=_WORKERS, cloud_run=True)
_RATIO = "÷ one at a time"


def run(lab: Lab) -> Iterator[Row]:
    """A row for each variant, over a fleet of its own."""
    count = min(_TENANTS, max(lab.size.steps[lab.major]))
    fleet = grown(new_fleet(lab.server, f"bench_fleet_workers_{lab.folder.name[-8:]}"), count)
    dagster = start_embedded(lab.home / "dagster-16")
    has_double = find_spec("agentarmy_ops_tests.cloud_run") is not None
    base: float | None = None
    for variant in (*_VARIANTS, *([_CLOUD_RUN] if has_double else [])):
        row = dict(measure(lab.folder, dagster, fleet, variant))
        taken = float(str(row["night s"]))
        base = taken if variant.name == _ONE_AT_A_TIME else base
        yield {**row, _RATIO: taken / base if base else None}


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What must hold however many workers there are."""
    unharmed = [row for row in rows if not row.get("healed after s")]
    yield at_most(
        "tenants that a night did not back up exactly once",
        max((_number(row, "tenants not exactly once") for row in unharmed), default=None),
        0,
        "",
    )
    yield at_most(
        "tenants whose backups overlap, a killed worker's too",
        max((_number(row, "overlaps") for row in rows), default=None),
        0,
        "",
    )
    yield at_most(
        "runs at once beyond the limit",
        max(
            (_number(row, "at once, seen") - _number(row, "at once, at most") for row in rows),
            default=None,
        ),
        0,
        "",
    )
    yield at_most(
        "locks reserved at once, of half of the lock table",
        max(
            (_number(row, "locks reserved, peak") / _number(row, "locks, half") for row in rows),
            default=None,
        ),
        1,
    )
    at_once = next((row for row in rows if row["night"] == _AT_ONCE), None)
    yield at_most(
        f"{_AT_ONCE} take at most {_SLOWER} times as long as one at a time",
        _number(at_once, _RATIO) if at_once else None,
        _SLOWER,
    )


def _number(row: Row, column: str) -> float:
    return float(str(row[column]))


SECTION = Section(
    name="workers",
    title="Several run workers",
    about="""\
The same fleet of 500 tenants, night after night, each with an instance of Dagster and a store of
its own: a real tick of `nightly_backup`, the queued coordinator, `dagster-daemon`, and each run a
process of its own; by Dagster's local launcher, and by the launcher for Cloud Run over a double of
Google's API, which starts what it is asked to start as a process of this machine. All share its
cores with the server: this shows that nothing is done twice or at the same time, and what the
division costs, not what more machines gain. *At once, seen* is from the runs' beginnings and ends
in Dagster's storage. *Locks* are entries of the server's lock table, *reserved* what the dumps
[reserved](batches.md#several-runs-at-once), *connections* those to the fleet's database; all
looked at 4 times a second. *Night* is from the minute of the tick until the last tenant's
materialization; *tenants/s* and *MB/s* (before compression) count from the beginning of the first
run. Of *one worker killed*, the process of a run that dumps is killed (SIGKILL) when a tenth of
the tenants is recorded; *healed* is from there to the last tenant's materialization.
""",
    measure=run,
    goals=goals,
)
