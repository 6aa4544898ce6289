"""The inner loop on one core: what each stage costs alone, and all together."""

import hashlib
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import FileIO
from pathlib import Path
from time import process_time

import zstandard
from pyrage.x25519 import Identity

from agentarmy_ops.archive.chunks import COMPILED
from agentarmy_ops.archive.data import read_blocks
from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.split import split
from agentarmy_ops.archive.toc import read_toc
from agentarmy_ops.backups.encryption import Encryptor
from bench.baselines import pg_dump
from bench.lab import Lab, say
from bench.measure import alternating, run
from bench.report import Goal, Row, at_least
from bench.section import Section
from bench.sizes import MB

_LEVEL = 3
_PIECE = 1 << 20
_ALL = "all together"
_GOAL = 250
_RATE = "MB/s of COPY data"


def _pieces(stream: FileIO) -> Iterator[memoryview]:
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    while length := stream.readinto(buffer):
        yield view[:length]


def _read(stream: FileIO) -> None:
    for _ in _pieces(stream):
        pass


def _walk(stream: FileIO) -> None:
    source, toc = read_toc(stream)
    for block in read_blocks(source, toc.header):
        for _ in block.pieces:
            pass


def _sha256(stream: FileIO) -> None:
    digest = hashlib.sha256()
    for piece in _pieces(stream):
        digest.update(piece)


def _zstd(stream: FileIO) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    for piece in _pieces(stream):
        compressor.compress(piece)
    compressor.flush()


def _zstd_age(stream: FileIO) -> None:
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    recipient = str(Identity.generate().to_public())
    encryptor = Encryptor([recipient], lambda _: None)
    for piece in _pieces(stream):
        encryptor.write(compressor.compress(piece))
    encryptor.write(compressor.flush())
    encryptor.finish()


def _all(schema: str, stream: FileIO) -> None:
    digest = hashlib.sha256()
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()

    def sink(data: memoryview) -> None:
        digest.update(compressor.compress(data))

    parts = list(split(stream, [schema], lambda _: sink))
    digest.update(compressor.flush())
    if not parts or not parts[0].description.fingerprint.rows:
        raise RuntimeError(f"schema {schema} is not in the archive")


def _stages(schema: str) -> dict[str, Callable[[FileIO], None]]:
    return {
        "reading": _read,
        f"walking the chunks ({'compiled' if COMPILED else 'in Python'})": _walk,
        "sha256": _sha256,
        f"zstd -{_LEVEL}": _zstd,
        f"zstd -{_LEVEL}, then age": _zstd_age,
        _ALL: partial(_all, schema),
    }


@contextmanager
def _one_core() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _over(archive: Path, stage: Callable[[FileIO], None]) -> None:
    with archive.open("rb", buffering=0) as stream:
        stage(stream)


def measure(lab: Lab) -> Iterator[Row]:
    """One row per stage."""
    fleet = lab.large(min(lab.size.memory_bytes))
    archive = lab.folder / "stages.dump"
    # Through a pipe, as in a backup: into a file, pg_dump would write its table of contents twice.
    dump = shlex.join(pg_dump(lab, fleet, fleet.tenants, "--compress=0"))
    run(f"{dump} | cat > {shlex.quote(str(archive))}")
    with archive.open("rb") as stream:
        tables = describe(stream).fingerprint.tables
    copied, rows = sum(table.bytes for table in tables), sum(table.rows for table in tables)
    say(f"  stages over {copied / MB:.0f} MB of COPY data")
    stages = _stages(fleet.tenants[0].schema_name)
    works = {name: partial(_over, archive, stage) for name, stage in stages.items()}
    with _one_core():
        taken = alternating(works, lab.size.repetitions, process_time)
    for name, time in taken.items():
        yield {
            "stage": name,
            "COPY MB": copied / MB,
            "bytes/row": copied / rows,
            "CPU s (median)": time,
            _RATE: copied / MB / time,
        }


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What the inner loop was to reach."""
    rates = {row["stage"]: float(str(row[_RATE])) for row in rows}
    text = f"all stages together on one core: at least {_GOAL} MB/s"
    yield at_least(text, rates.get(_ALL), _GOAL, " MB/s")


SECTION = Section(
    name="stages",
    title="Stages of the inner loop",
    about="""\
One process on one core over an archive in the page cache, as pg_dump wrote it, read in pieces of
1 MiB. Nothing waits here, so time is CPU time, which other work on the machine does not add to.
*All together* is what a backup does between pg_dump and the store: walk the chunks, hash
each table's rows, compress, hash what is stored, and throw it away; age, which depends on what the
data is compressed to, is not in it.
""",
    measure=measure,
    goals=goals,
)
