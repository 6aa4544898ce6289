"""One large tenant: the engine against pg_dump through zstd and pg_dump's own gzip."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from bench.baselines import dump_through_zstd, pg_dump
from bench.lab import Lab, back_up, plain_bytes, say
from bench.measure import alternating, run
from bench.report import Goal, Row, at_least
from bench.section import Section
from bench.sizes import MB

_ENGINE, _ZSTD, _GZIP = "engine", "pg_dump -Fc -Z0 | zstd -3", "pg_dump -Fc (gzip)"
_OF_ZSTD, _OF_GZIP = 0.95, 3
_RATIO = "engine ÷ this"


def measure(lab: Lab) -> Iterator[Row]:
    """One row per way."""
    fleet = lab.large(lab.size.large_bytes)
    say(f"  large tenant, {lab.size.repetitions} rounds")
    numbers = count()
    sizes: list[int] = []
    target = lab.folder / "large.dump"

    def engine() -> None:
        manifests = back_up(fleet, lab.store(f"large-{next(numbers)}"), fleet.tenants)
        sizes.append(plain_bytes(manifests))

    pipeline = dump_through_zstd(lab, fleet, target)
    gzip = pg_dump(lab, fleet, fleet.tenants)
    taken = alternating(
        {
            _ENGINE: engine,
            _ZSTD: lambda: run(pipeline),
            _GZIP: lambda: run(gzip, stdout=str(target)),
        },
        lab.size.repetitions,
    )
    plain = sizes[-1] / MB
    for way, time in taken.items():
        yield {
            "major": lab.major,
            "plain MB": plain,
            "way": way,
            "s (median)": time,
            "MB/s": plain / time,
            _RATIO: time / taken[_ENGINE],
        }


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What the engine was to reach for a large tenant."""
    ratios = {row["way"]: float(str(row[_RATIO])) for row in rows}
    yield at_least(f"at least {_OF_ZSTD}x as fast as {_ZSTD}", ratios.get(_ZSTD), _OF_ZSTD)
    yield at_least(f"at least {_OF_GZIP}x as fast as {_GZIP}", ratios.get(_GZIP), _OF_GZIP)


SECTION = Section(
    name="large",
    title="One large tenant",
    about="""\
A database with one tenant, rows of about 100 bytes; each way writes a file; the ways take turns,
and the first round is not measured. The engine also makes the fingerprint and the sha256, and
waits for its objects to be on disk (fsync), which the other two do not. *MB/s* is of the plain
archive.
""",
    measure=measure,
    goals=goals,
)
