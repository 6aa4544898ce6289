"""Generated archives: what is written is read, stock pg_restore takes it, and it splits."""

import hashlib
import io
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentarmy_ops.archive.data import Sink, read_blocks
from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.exclude import exclude_entries
from agentarmy_ops.archive.fingerprint import text
from agentarmy_ops.archive.rows import COPY_TERMINATOR
from agentarmy_ops.archive.split import split
from agentarmy_ops.archive.toc import TocEntry, read_toc
from agentarmy_ops_tests.archive import stock
from agentarmy_ops_tests.archive.fragments import in_pieces
from agentarmy_ops_tests.archive.generated import Generated, archives

VERSIONS = [(1, 14, 0), (1, 15, 0), (1, 16, 0)]
# The newest version that the pg_restore of a major reads is the one its pg_dump writes.
READABLE = {16: VERSIONS[:2], 18: VERSIONS}
_generating = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
_with_processes = settings(_generating, max_examples=40, deadline=None)


def _tables(made: Generated) -> Iterator[tuple[str, str, int, int, str]]:
    """What a fingerprint says of the data."""
    for entry in made.entries:
        if (rows := made.rows.get(entry.dump_id)) is not None:
            data = b"".join(rows)
            sha256 = hashlib.sha256(data).hexdigest()
            yield text(entry.namespace), text(entry.tag), len(rows), len(data), sha256
        for oid, pieces in made.objects.get(entry.dump_id, {}).items():
            data = b"".join(pieces)
            yield "", str(oid), 0, len(data), hashlib.sha256(data).hexdigest()


@_generating
@given(archives(VERSIONS), st.integers(1, 64) | st.just(1 << 20))
def test_what_was_written_is_read(made: Generated, size: int) -> None:
    source, toc = read_toc(in_pieces(made.archive(), size))
    assert (toc.header, toc.entries) == (made.header, made.entries)
    raw = toc.encode()
    order = []
    for block in read_blocks(source, toc.header):
        order.append(block.dump_id)
        objects: dict[int, bytes] = {}
        for piece in block.pieces:
            raw += piece.raw
            objects[piece.object_oid] = objects.get(piece.object_oid, b"") + piece.data
        wanted = made.objects.get(block.dump_id)
        if wanted is None:
            assert objects == {0: b"".join(made.rows[block.dump_id]) + COPY_TERMINATOR}
        else:
            assert objects == {0: b""} | {oid: b"".join(p) for oid, p in wanted.items()}
    assert tuple(order) == made.order
    assert raw == made.archive()
    described = describe(in_pieces(raw, size)).fingerprint.tables
    found = [(t.namespace, t.table, t.rows, t.bytes, t.sha256) for t in described]
    assert sorted(found) == sorted(_tables(made))
    assert exclude_entries(io.BytesIO(raw), frozenset()).read() == raw


def _line(entry: TocEntry) -> bytes:
    """How PrintTOCSummary in pg_backup_archiver.c shows an entry."""
    parts = (entry.desc, entry.namespace or b"-", entry.tag, entry.owner)
    one_line = (b"%s" % part for part in parts if part is not None)
    shown = b" ".join(part.replace(b"\n", b" ").replace(b"\r", b" ") for part in one_line)
    return b"%d; %d %d %s" % (entry.dump_id, *entry.catalog_id, shown)


def _assert_stock_reads(major: int, made: Generated, archive: bytes) -> None:
    _, toc = read_toc(io.BytesIO(archive))
    listed = stock.pg_restore(major, archive, "--list").split(b"\n")
    not_listed = {b"ENCODING", b"STDSTRINGS", b"SEARCHPATH"}
    assert [line for line in listed if line and not line.startswith(b";")] == [
        _line(entry) for entry in toc.entries if entry.desc not in not_listed
    ]
    assert b";     TOC Entries: %d" % len(toc.entries) in listed
    # Its data as SQL: rows as they are, large objects in hexadecimal.
    script = stock.pg_restore(major, archive, "--no-owner", "--file=-", seekable=True)
    for entry in toc.entries:
        if entry.dump_id in made.rows:
            rows = b"".join(made.rows[entry.dump_id])
            assert (entry.copy_statement or b"") + rows + b"\\.\n" in script
        for pieces in made.objects.get(entry.dump_id, {}).values():
            assert b"".join(pieces).hex().encode() in script


@pytest.mark.parametrize("major", [16, 18])
@_with_processes
@given(drawn=st.data())
def test_stock_pg_restore_reads_what_was_written(major: int, drawn: st.DataObject) -> None:
    made = drawn.draw(archives(READABLE[major]))
    _assert_stock_reads(major, made, made.archive())


def _parts(made: Generated, size: int = 1 << 20) -> dict[bytes, bytes]:
    """The parts, each as it was when it was yielded."""
    schemas = [s.decode() for s in {*made.schema_of.values()} if s is not None]
    sinks: dict[str, bytearray] = {}

    def open_sink(schema: str) -> Sink:
        return sinks.setdefault(schema, bytearray()).extend

    found = {}
    for part in split(in_pieces(made.archive(), size), [*schemas, "not there"], open_sink):
        found[part.schema.encode()] = archive = bytes(sinks[part.schema])
        assert describe(io.BytesIO(archive)) == part.description
    return found


@_generating
@given(archives(VERSIONS), st.integers(1, 64) | st.just(1 << 20))
def test_the_parts_together_are_the_whole(made: Generated, size: int) -> None:
    parts = _parts(made, size)
    schemas = {schema for schema in made.schema_of.values() if schema is not None}
    assert parts.keys() == schemas
    for schema, part in parts.items():
        wanted = [i for i, owner in made.schema_of.items() if owner in {schema, None}]
        assert part == made.archive(wanted)
    # One that needs nothing more is not held back for another.
    last = dict.fromkeys(schemas, -1)
    for position, dump_id in enumerate(made.order):
        owner = made.schema_of[dump_id]
        last.update(dict.fromkeys(schemas if owner is None else [owner], position))
    assert [last[schema] for schema in parts] == sorted(last.values())


@pytest.mark.parametrize("major", [16, 18])
@_with_processes
@given(drawn=st.data())
def test_stock_pg_restore_reads_each_part(major: int, drawn: st.DataObject) -> None:
    made = drawn.draw(archives(READABLE[major]))
    for part in _parts(made).values():
        _assert_stock_reads(major, made, part)
