"""Archives of pg_dump are read to the byte, and anything else is called damaged."""

import hashlib
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentarmy_ops.archive.data import read_blocks
from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.exclude import exclude_entries
from agentarmy_ops.archive.primitives import ArchiveInput, encode_integer, encode_string
from agentarmy_ops.archive.rows import COPY_TERMINATOR
from agentarmy_ops.archive.toc import (
    TableOfContents,
    TocEntry,
    read_header,
    read_toc,
)
from agentarmy_ops.errors import ArchiveError
from agentarmy_ops_tests.archive import craft
from agentarmy_ops_tests.archive.conftest import PgDump
from agentarmy_ops_tests.fix_backups import Backups


@pytest.mark.parametrize("major", [16, 18])
def test_a_real_archive_encodes_to_the_same_bytes(
    major: int, tiny_archives: dict[int, bytes]
) -> None:
    data = tiny_archives[major]
    source, toc = read_toc(io.BytesIO(data))
    assert toc.header.version[:2] == {16: (1, 15), 18: (1, 16)}[major]
    encoded = toc.encode()
    assert data.startswith(encoded)
    for block in read_blocks(source, toc.header):
        encoded += b"".join(bytes(piece.raw) for piece in block.pieces)
    assert encoded == data


@pytest.mark.parametrize("major", [16, 18])
def test_rows_are_counted_and_hashed_as_copy_gives_them(
    major: int, tiny_archives: dict[int, bytes]
) -> None:
    copied = b"1\tone\n2\ttwo\\nlines\n3\t\\\\.\n4\t\\N\n"
    empty, table = describe(io.BytesIO(tiny_archives[major])).fingerprint.tables
    assert (empty.table, empty.rows, empty.bytes) == ("empty", 0, 0)
    assert (table.table, table.rows, table.bytes) == ("t", 4, len(copied))
    assert table.sha256 == hashlib.sha256(copied).hexdigest()


@pytest.mark.parametrize("major", [16, 18])
def test_two_dumps_of_the_same_have_the_same_fingerprint(
    major: int, tiny_archives: dict[int, bytes], pg_dump: PgDump
) -> None:
    again = pg_dump(
        major,
        # Other oids, other dump ids, another database.
        "CREATE TABLE public.other (id serial); CREATE SCHEMA tenant_a;"
        "CREATE TABLE tenant_a.empty (); CREATE TABLE tenant_a.t (id integer, body text);"
        "ALTER TABLE tenant_a.t ADD PRIMARY KEY (id);"
        "INSERT INTO tenant_a.t VALUES (1, 'one'), (2, E'two\\nlines'), (3, '\\.'), (4, NULL);",
        '--schema="tenant_a"',
    )
    first, second = describe(io.BytesIO(tiny_archives[major])), describe(io.BytesIO(again))
    assert first.fingerprint == second.fingerprint
    assert first.toc != second.toc


@pytest.mark.parametrize("major", [16, 18])
def test_an_archive_cut_anywhere_is_called_cut_short(
    major: int, tiny_archives: dict[int, bytes]
) -> None:
    data = tiny_archives[major]
    for length in range(len(data)):
        with pytest.raises(ArchiveError):
            describe(io.BytesIO(data[:length]))
    describe(io.BytesIO(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"PGDM", "cut short"),
        (b"-- PostgreSQL database dump", "does not begin with PGDMP"),
        (b"PGDMP\x01\x0d\x00\x04\x08\x01", "version 1.13 is not supported"),
        (b"PGDMP\x01\x11\x00\x04\x08\x01", "version 1.17 is not supported"),
        (b"PGDMP\x01\x0f\x00\x04\x08\x03", "its format number is 3, not 1"),
        (b"PGDMP\x01\x0f\x00\x05\x08\x01", "integers of 5 bytes"),
        (b"PGDMP\x01\x0f\x00\x04\x02\x01", "damaged"),
        (craft.header().encode() + encode_integer(-1), "-1 entries"),
        (craft.header().encode() + encode_integer(2**31 - 1), "cut short"),
    ],
)
def test_what_is_no_archive(data: bytes, reason: str) -> None:
    with pytest.raises(ArchiveError, match=reason):
        describe(io.BytesIO(data))


def test_the_compression_of_an_old_archive_is_an_integer() -> None:
    """1.14, of PostgreSQL 12 to 15, has gzip's level there: -1 is gzip's own default."""
    for level in (-1, 0, 9):
        old = craft.header((1, 14, 0), compression=level)
        encoded = old.encode()
        assert encoded[11:16] == encode_integer(level)
        assert read_header(ArchiveInput(io.BytesIO(encoded))) == old


def test_an_old_archive_is_described_and_its_entries_have_no_relkind() -> None:
    of = craft.header((1, 14, 0))
    rows = b"1\n2\n"
    data = craft.archive(
        [craft.table_data(7, b"t")], craft.data_block(7, rows + COPY_TERMINATOR), of=of
    )
    (table,) = describe(io.BytesIO(data)).fingerprint.tables
    assert (table.table, table.rows) == ("t", 2)


@pytest.mark.parametrize("compression", [1, 2, 3])
def test_an_archive_compressed_inside_is_refused(compression: int) -> None:
    of = craft.header(compression=compression)
    data = craft.archive([craft.table_data(1, b"t")], craft.data_block(1, b"x"), of=of)
    with pytest.raises(ArchiveError, match="compressed inside"):
        describe(io.BytesIO(data))


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([], r"no data of tenant_a\.t"),
        ([craft.data_block(2, COPY_TERMINATOR)], "data of entry 2, which expects none"),
        ([craft.data_block(9, COPY_TERMINATOR)], "data of entry 9, which expects none"),
        ([craft.data_block(1, COPY_TERMINATOR)] * 2, "data of entry 1, which expects none"),
        ([craft.data_block(1, COPY_TERMINATOR + b"x")], "does not end as COPY data does"),
        ([craft.data_block(1)], "does not end as COPY data does"),
        ([craft.data_block(1, b"1\n2\n")], "does not end as COPY data does"),
        ([craft.data_block(1, b"1\n" + COPY_TERMINATOR + b"2\n")], "does not end as COPY data"),
        ([craft.data_block(1, COPY_TERMINATOR), b"\x02"], "cut short"),
        ([craft.data_block(1, COPY_TERMINATOR), b"\x02" + bytes(5)], "unknown data block type 2"),
        ([b"\x01" + encode_integer(1) + encode_integer(-5)], "a data chunk of -5 bytes"),
        ([b"\x01" + encode_integer(1) + encode_integer((1 << 30) + 1)], "a data chunk of"),
    ],
)
def test_data_that_does_not_fit_its_contents(blocks: list[bytes], reason: str) -> None:
    entries = [craft.table_data(1, b"t"), craft.entry(2, b"TABLE", b"t")]
    with pytest.raises(ArchiveError, match=reason):
        describe(io.BytesIO(craft.archive(entries, *blocks)))


@pytest.mark.parametrize("number", [b"", b"x", b"-1", b"1 ", b"1" * 11, b"9" * 5000])
def test_numbers_that_are_none(number: bytes) -> None:
    for changes in ({"oid": number}, {"table_oid": number}, {"dependencies": (number,)}):
        data = craft.archive([craft.entry(1, b"TABLE", b"t", **changes)])
        with pytest.raises(ArchiveError, match="is not a number"):
            describe(io.BytesIO(data))
        with pytest.raises(ArchiveError, match="is not a number"):
            exclude_entries(io.BytesIO(data), {(1, 1)}).read()


def test_a_long_damaged_length_does_not_ask_for_that_much_memory() -> None:
    data = encode_integer(1 << 30) + b"x"
    with pytest.raises(ArchiveError, match="cut short"):
        ArchiveInput(io.BytesIO(data)).string()
    with pytest.raises(ArchiveError, match="a string of"):
        ArchiveInput(io.BytesIO(encode_integer((1 << 30) + 1))).string()


def test_a_terminator_split_over_chunks_is_one() -> None:
    rows = b"x" * 99 + b"\n"
    for many in (1, 2621, 2622, 5243):  # around the size in which data is hashed
        whole = rows * many + COPY_TERMINATOR
        for cut in range(1, len(COPY_TERMINATOR) + 1):
            data = craft.archive(
                [craft.table_data(1, b"t")], craft.data_block(1, whole[:-cut], whole[-cut:])
            )
            (table,) = describe(io.BytesIO(data)).fingerprint.tables
            assert (table.rows, table.bytes) == (many, len(rows) * many)
            assert table.sha256 == hashlib.sha256(rows * many).hexdigest()


_texts = st.none() | st.binary(max_size=30)
_numbers = st.none() | st.integers(0, 2**32 - 1).map(lambda n: str(n).encode())


@st.composite
def _archives(draw: st.DrawFn) -> tuple[TableOfContents, dict[int, bytes], bytes]:
    """A table of contents, the rows of its tables, and the archive of both."""
    version = draw(st.sampled_from([(1, 14, 0), (1, 15, 0), (1, 16, 0)]))
    int_size = draw(st.sampled_from([4, 8]))
    header = craft.header(
        version,
        int_size=int_size,
        offset_size=draw(st.sampled_from([4, 8])),
        created=tuple(draw(st.lists(st.integers(-(2**31), 2**31), min_size=7, max_size=7))),
        database=draw(_texts),
    )
    dump_ids = draw(st.lists(st.integers(1, 10_000), unique=True, max_size=6))
    with_data = draw(st.sets(st.sampled_from(dump_ids))) if dump_ids else set()
    entries = tuple(
        TocEntry(
            dump_id=dump_id,
            has_dumper=int(dump_id in with_data),
            table_oid=draw(_numbers),
            oid=draw(_numbers),
            tag=draw(_texts),
            desc=draw(_texts),
            section=draw(st.integers(0, 4)),
            definition=draw(_texts),
            drop_statement=draw(_texts),
            copy_statement=draw(_texts),
            namespace=draw(_texts),
            tablespace=draw(_texts),
            table_am=draw(_texts),
            relkind=draw(st.integers(0, 255)) if version >= (1, 16, 0) else 0,
            owner=draw(_texts),
            with_oids=draw(_texts),
            dependencies=tuple(
                draw(st.lists(st.integers(0, 10_000).map(lambda n: str(n).encode()), max_size=4))
            ),
            offset_state=draw(st.integers(1, 3)),
            offset=draw(st.binary(min_size=header.offset_size, max_size=header.offset_size)),
        )
        for dump_id in dump_ids
    )
    rows = {
        dump_id: draw(st.binary(max_size=200))
        for dump_id in draw(st.permutations(sorted(with_data)))
    }
    blocks = []
    for dump_id, data in rows.items():
        whole = data + COPY_TERMINATOR
        cut = draw(st.integers(0, len(whole)))
        blocks.append(craft.data_block(dump_id, whole[:cut], whole[cut:], int_size=int_size))
    toc = TableOfContents(header, entries)
    return toc, rows, toc.encode() + b"".join(blocks)


@given(_archives())
def test_what_was_encoded_is_read(made: tuple[TableOfContents, dict[int, bytes], bytes]) -> None:
    toc, rows, data = made
    source, read = read_toc(io.BytesIO(data))
    assert read == toc
    found = {
        block.dump_id: b"".join(bytes(piece.data) for piece in block.pieces)
        for block in read_blocks(source, read.header)
    }
    assert found == {dump_id: part + COPY_TERMINATOR for dump_id, part in rows.items()}
    hashes = sorted(t.sha256 for t in describe(io.BytesIO(data)).fingerprint.tables)
    assert hashes == sorted(hashlib.sha256(part).hexdigest() for part in rows.values())
    # Leaving nothing out leaves everything as it is.
    assert describe(exclude_entries(io.BytesIO(data), frozenset())).toc == toc


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(st.data())
def test_damaged_bytes_are_called_damaged_and_quickly(
    tiny_archives: dict[int, bytes], data: st.DataObject
) -> None:
    archive = bytearray(tiny_archives[data.draw(st.sampled_from([16, 18]))])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(archive) - 1))
        match data.draw(st.sampled_from(["change", "insert", "remove"])):
            case "change":
                archive[position] = data.draw(st.integers(0, 255))
            case "insert":
                archive[position:position] = data.draw(st.binary(max_size=8))
            case _:
                del archive[position : position + data.draw(st.integers(1, 8))]
    started = time.monotonic()
    for read in (describe, lambda stream: exclude_entries(stream, {(2615, 1)}).read()):
        try:
            read(io.BytesIO(bytes(archive)))
        except ArchiveError as error:
            assert "\n" not in str(error)
    assert time.monotonic() - started < 2


def test_every_string_length_reads_back() -> None:
    for value in (None, b"", b"x", bytes(range(256)), b"x" * (1 << 21)):
        for int_size in (4, 8):
            source = ArchiveInput(io.BytesIO(encode_string(value, int_size)), int_size)
            assert source.string() == value
            assert source.at_end()


def test_a_backups_fingerprint_is_of_its_archive(good_backups: Backups) -> None:
    tables = good_backups.manifests["acme"].fingerprint.tables
    assert [(table.namespace, table.table) for table in tables] == [
        ("tenant_acme", "notes"),
        ("tenant_acme", "users"),
    ]
