"""The inner loop in C and in Python, and the readers around it, at every edge of a window."""

import hashlib
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentarmy_ops.archive import chunks, data, primitives
from agentarmy_ops.archive.chunks import LONGEST_CHUNK, Unwrap, unwrap_in_python
from agentarmy_ops.archive.data import BlockReader
from agentarmy_ops.archive.primitives import ArchiveInput, encode_integer
from agentarmy_ops.archive.rows import COPY_TERMINATOR, RowsDigest
from agentarmy_ops.errors import ArchiveError
from agentarmy_ops_tests.archive import craft
from agentarmy_ops_tests.archive.fragments import in_pieces

compiled = pytest.mark.skipif(
    not chunks.COMPILED, reason="agentarmy_ops.archive._chunks is not built: no C compiler was here"
)
IMPLEMENTATIONS = [
    pytest.param(unwrap_in_python, id="python"),
    pytest.param(chunks.unwrap, id="compiled", marks=compiled),
]
int_sizes = st.sampled_from([4, 8])


def test_the_loop_is_compiled_where_it_can_be() -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler or not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("no C compiler, or no headers of Python, to build it with")
    assert chunks.COMPILED, "install the package again (make install): _chunks.c was not built"
    assert chunks.unwrap is not unwrap_in_python


# -- unwrap ---------------------------------------------------------------------------------------

UNTOUCHED = 0xA5
Result = tuple[int, int, int, bool]


def _unwrap(
    unwrap: Unwrap, source: bytes, start: int, stop: int, room: int, int_size: int
) -> tuple[Result, bytes] | str:
    """What it returns and writes, or the error; seen not to write outside of its target."""
    surrounding = bytearray([UNTOUCHED]) * (room + 32)
    target = memoryview(surrounding)[16 : 16 + room]
    try:
        result = unwrap(source, start, stop, target, int_size)
    except ValueError as error:
        return str(error)
    finally:
        assert surrounding[:16] == bytes([UNTOUCHED]) * 16
        assert surrounding[16 + room :] == bytes([UNTOUCHED]) * 16
    assert set(target[result[1] :]) <= {UNTOUCHED}
    return result, bytes(target[: result[1]])


def _expected(
    source: bytes, start: int, stop: int, room: int, int_size: int
) -> tuple[Result, bytes] | str:
    """The documentation of :class:`Unwrap`, one step after the other."""
    position, copied, ended = start, b"", False
    while not ended and stop - position >= 1 + int_size:
        sign, magnitude = source[position], source[position + 1 : position + 1 + int_size]
        length = int.from_bytes(magnitude, "little")
        if length and (sign or length > LONGEST_CHUNK):
            return "not the length of a chunk"
        end = position + 1 + int_size + length
        if end > stop or len(copied) + length > room:
            break
        copied += source[end - length : end]
        position, ended = end, not length
    return (position, len(copied), copied.count(b"\n"), ended), copied


@st.composite
def _walks(draw: st.DrawFn) -> tuple[bytes, int, int, int, int]:
    """Source, start, stop, room in the target and int size: chunks as they are written, cut,
    damaged, or bytes of any kind."""
    int_size = draw(int_sizes)
    lengths = st.integers(-3, 40) | st.sampled_from(
        [LONGEST_CHUNK - 1, LONGEST_CHUNK, LONGEST_CHUNK + 1, -LONGEST_CHUNK, 2**31 - 1, 2**32 - 1]
    )
    if int_size == 8:
        lengths |= st.sampled_from([2**32, 2**32 + 1, 2**62, 2**63, 2**64 - 1, -(2**63)])
    good = st.binary(max_size=40).map(lambda piece: encode_integer(len(piece), int_size) + piece)
    lines = st.lists(st.sampled_from([b"\n", b"ab", b"\n\n\n", b""]), max_size=5).map(b"".join)
    good |= lines.map(lambda piece: encode_integer(len(piece), int_size) + piece)
    bad = st.tuples(lengths, st.binary(max_size=40)).map(
        lambda pair: encode_integer(pair[0], int_size) + pair[1]
    )
    # A sign without a magnitude is the end, too: to pg_restore -0 is 0.
    ends = st.sampled_from([b"\0" + bytes(int_size), b"\1" + bytes(int_size)])
    pieces = draw(st.lists(good | good | good | bad | ends | st.binary(max_size=12), max_size=8))
    before = draw(st.binary(max_size=12))
    source = before + b"".join(pieces) + draw(st.binary(max_size=12))
    start = draw(st.just(len(before)) | st.integers(0, len(source)))
    stop = draw(st.just(len(source)) | st.integers(start, len(source)))
    room = draw(st.sampled_from([0, 1, 39, 40, 41, 1000]) | st.integers(0, 300))
    return source, start, max(start, stop), room, int_size


@compiled
@settings(max_examples=600)
@given(_walks())
def test_c_and_python_do_the_same(walk: tuple[bytes, int, int, int, int]) -> None:
    assert _unwrap(chunks.unwrap, *walk) == _unwrap(unwrap_in_python, *walk)


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@settings(max_examples=400)
@given(_walks())
def test_it_does_what_it_says_and_nothing_depends_on_what_is_outside(
    unwrap: Unwrap, walk: tuple[bytes, int, int, int, int]
) -> None:
    source, start, stop, room, int_size = walk
    found = _unwrap(unwrap, *walk)
    assert found == _expected(*walk)
    # Whatever lies around the positions, and in an object that ends where they do.
    for before, behind in ((b"\0" * 9, b"\0" * 20), (b"\xff" * 3, b"\xff" * 9), (b"", b"")):
        moved = before + source[start:stop] + behind
        again = _unwrap(unwrap, moved, len(before), len(moved) - len(behind), room, int_size)
        if isinstance(found, str) or isinstance(again, str):
            assert again == found
        else:
            assert again[0][0] - len(before) == found[0][0] - start
            assert (again[0][1:], again[1]) == (found[0][1:], found[1])


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@pytest.mark.parametrize("int_size", [4, 8])
def test_chunks_cut_anywhere_are_taken_as_far_as_they_are_whole(
    unwrap: Unwrap, int_size: int
) -> None:
    pieces = [b"one\n", b"", b"x" * 300 + b"\n\n", b"\n"]
    source = b"".join(encode_integer(len(piece), int_size) + piece for piece in pieces if piece)
    source += encode_integer(0, int_size)
    for stop in range(len(source) + 1):
        for room in (0, 3, 4, 305, 306, 307, 1000):
            walk = (source, 0, stop, room, int_size)
            assert _unwrap(unwrap, *walk) == _expected(*walk)
    everything = _unwrap(unwrap, source, 0, len(source), 1000, int_size)
    assert everything == ((len(source), 307, 4, True), b"".join(pieces))


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("start", "stop", "int_size"),
    [(-1, 5, 4), (3, 2, 4), (0, 11, 4), (11, 11, 4), (11, 12, 4), (-2, -1, 4)]
    + [(0, 10, size) for size in (-1, 0, 1, 2, 3, 5, 7, 9)],
)
def test_positions_outside_of_the_source_and_other_integers_are_refused(
    unwrap: Unwrap, start: int, stop: int, int_size: int
) -> None:
    found = _unwrap(unwrap, bytes(10), start, stop, 10, int_size)
    assert found == "positions outside of the source"


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
def test_the_target_must_be_writable_and_both_be_bytes(unwrap: Unwrap) -> None:
    with pytest.raises(TypeError):
        unwrap(bytes(10), 0, 10, bytes(10), 4)
    with pytest.raises(TypeError):
        unwrap("text", 0, 4, bytearray(10), 4)  # type: ignore[arg-type]


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
def test_its_buffers_are_free_afterwards(unwrap: Unwrap) -> None:
    source, target = bytearray(encode_integer(1) + b"x" + encode_integer(-1)), bytearray(9)
    unwrap(source, 0, 6, target, 4)
    for stop in (len(source), 99):
        with pytest.raises(ValueError, match=r"not the length|outside"):
            unwrap(source, 0, stop, target, 4)
    # A bytearray whose buffer is in use cannot be resized.
    source.clear()
    target.clear()


# -- The window ---------------------------------------------------------------------------------


@contextmanager
def _window(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(primitives, "WINDOW_BYTES", size)
        patch.setattr(data, "WINDOW_BYTES", size)
        yield


@contextmanager
def _loop(unwrap: Unwrap) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "unwrap", unwrap)
        yield


@dataclass(frozen=True)
class Block:
    """A block of data: one table's pieces, or those of large objects by oid."""

    dump_id: int
    objects: tuple[tuple[int, tuple[bytes, ...]], ...]
    is_large_objects: bool

    def encode(self, int_size: int) -> bytes:
        """As the archive has it."""
        if self.is_large_objects:
            return craft.large_objects_block(self.dump_id, dict(self.objects), int_size)
        return craft.data_block(self.dump_id, *self.objects[0][1], int_size=int_size)


_pieces = st.lists(
    st.binary(max_size=20)
    | st.integers(1, 400).map(lambda size: (b"line\n" * 80)[:size])
    | st.sampled_from([b"\n", b"\n\n", b"x" * 63 + b"\n"]),
    max_size=5,
).map(tuple)
_tables = st.builds(
    lambda dump_id, pieces: Block(dump_id, ((0, pieces),), False), st.integers(1, 99), _pieces
)
# 2**31 and more are written as negative numbers where integers have 4 bytes.
_oids = st.integers(1, 2**31 - 1) | st.integers(-(2**31) + 1, -1)
_large = st.builds(
    lambda dump_id, objects: Block(dump_id, tuple(objects.items()), True),
    st.integers(1, 99),
    st.dictionaries(_oids, _pieces, max_size=3),
)


def _read(
    encoded: bytes, size: int, int_size: int
) -> list[tuple[int, bool, bytes, dict[int, tuple[bytes, int]]]]:
    """Each block's dump id and kind, its ``raw``, and data and newlines by large object."""
    source = ArchiveInput(in_pieces(encoded, size), int_size)
    found = []
    for block in BlockReader(source, craft.header(int_size=int_size)).blocks():
        raw = b""
        oids: list[int] = []
        objects: dict[int, tuple[bytes, int]] = {}
        for piece in block.pieces:
            raw += piece.raw
            before, newlines = objects.get(piece.object_oid, (b"", 0))
            objects[piece.object_oid] = (before + piece.data, newlines + piece.newlines)
            oids.append(piece.object_oid)
        # Each object in one go, between what belongs to the block itself.
        of_objects = [oid for oid in objects if oid]
        wanted = [0, *of_objects, 0] if of_objects else [0]
        assert [oid for oid, _ in groupby(oids)] == wanted
        found.append((block.dump_id, block.is_large_objects, raw, objects))
    return found


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@settings(max_examples=300)
@given(
    blocks=st.lists(_tables | _large, max_size=4),
    window=st.integers(1, 64) | st.just(1000),
    size=st.integers(1, 20) | st.just(10_000),
    int_size=int_sizes,
)
def test_blocks_are_read_through_a_window_of_any_size(
    unwrap: Unwrap, blocks: Sequence[Block], window: int, size: int, int_size: int
) -> None:
    encoded = [block.encode(int_size) for block in blocks]
    with _window(window), _loop(unwrap):
        found = _read(b"".join(encoded), size, int_size)
    for block, raw, one in zip(blocks, encoded, found, strict=True):
        wanted = {oid: b"".join(pieces) for oid, pieces in block.objects}
        if block.is_large_objects:
            wanted[0] = b""
        newlines = {oid: (every, every.count(b"\n")) for oid, every in wanted.items()}
        assert one == (block.dump_id, block.is_large_objects, raw, newlines)


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@settings(max_examples=100)
@given(_tables | _large, st.integers(1, 40), st.integers(1, 20), int_sizes, st.data())
def test_a_block_cut_anywhere_is_called_cut_short(
    unwrap: Unwrap, block: Block, window: int, size: int, int_size: int, drawn: st.DataObject
) -> None:
    encoded = block.encode(int_size)
    cut = drawn.draw(st.integers(1, len(encoded) - 1))
    with _window(window), _loop(unwrap), pytest.raises(ArchiveError, match="cut short"):
        _read(encoded[:cut], size, int_size)


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@pytest.mark.parametrize("length", [-1, -(2**31) + 1, LONGEST_CHUNK + 1, 2**31])
@pytest.mark.parametrize("before", [(), (b"x",), (b"x" * 100, b"y" * 3)])
@pytest.mark.parametrize("window", [1, 16, 200])
def test_a_length_that_is_none_is_named_wherever_it_is(
    unwrap: Unwrap, length: int, before: tuple[bytes, ...], window: int
) -> None:
    encoded = craft.data_block(1, *before)[:-5] + encode_integer(length) + bytes(300)
    for size in (1, 3, 1000):
        with _window(window), _loop(unwrap):
            with pytest.raises(ArchiveError) as refused:
                _read(encoded, size, 4)
            assert str(refused.value) == (f"the archive is damaged: a data chunk of {length} bytes")


@pytest.mark.parametrize("unwrap", IMPLEMENTATIONS)
@pytest.mark.parametrize("more", range(-6, 7))
def test_chunks_about_as_long_as_the_window(unwrap: Unwrap, more: int) -> None:
    """The real window; around its size is where chunks are taken apart."""
    row = b"0123456789abcde\n" * (primitives.WINDOW_BYTES // 16 + 1)
    long = row[: primitives.WINDOW_BYTES + more]
    block = Block(7, ((0, (b"first\n", long, b"between\n", long + long, b"last\n")),), False)
    every = b"".join(block.objects[0][1])
    with _loop(unwrap):
        for size in (65_536, 1 << 30):
            ((_, _, raw, objects),) = _read(block.encode(4), size, 4)
            assert raw == block.encode(4)
            assert objects == {0: (every, every.count(b"\n"))}


# -- RowsDigest ---------------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([b"x", b"\n", b"\\.", b"\\.\n\n\n", b"abcdef\n"]), max_size=8).map(
        b"".join
    ),
    st.lists(st.integers(0, 12), max_size=20),
    st.sampled_from([COPY_TERMINATOR, b""]),
    st.booleans(),
)
def test_rows_are_hashed_whatever_pieces_they_come_in(
    content: bytes, sizes: Sequence[int], terminator: bytes, ends: bool
) -> None:
    whole = content + (terminator if ends else b"")
    digest, rest = RowsDigest(terminator), whole
    for size in [*sizes, len(whole)]:
        piece, rest = rest[:size], rest[size:]
        digest.add(memoryview(piece), piece.count(b"\n"))
    if whole.endswith(terminator):
        rows = whole.removesuffix(terminator)
        wanted = (rows.count(b"\n"), len(rows), hashlib.sha256(rows).hexdigest())
        assert digest.finish() == wanted
    else:
        with pytest.raises(ArchiveError, match="does not end as COPY data does"):
            digest.finish()


# -- ArchiveInput -------------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    st.binary(max_size=300),
    st.integers(1, 40),
    st.integers(1, 20),
    st.lists(
        st.tuples(st.just("exactly"), st.integers(0, 120))
        | st.tuples(st.sampled_from(["byte", "mark", "since_mark", "at_end"]), st.just(0)),
        max_size=30,
    ),
)
@example(
    bytes(range(200)),
    16,
    5,
    [("exactly", 3), ("mark", 0), ("exactly", 9), ("byte", 0), ("exactly", 99), ("since_mark", 0)],
)
@example(
    bytes(range(200)), 1, 1, [("exactly", 3), ("mark", 0), ("exactly", 150), ("since_mark", 0)]
)
def test_what_was_read_since_the_mark_is_kept_over_refills_and_growth(
    content: bytes, window: int, size: int, steps: Sequence[tuple[str, int]]
) -> None:
    with _window(window):
        source = ArchiveInput(in_pieces(content, size))
        position, marked = 0, None
        for step, length in steps:
            match step:
                case "mark":
                    source.mark()
                    marked = position
                case "since_mark":
                    if marked is not None:
                        assert source.since_mark() == content[marked:position]
                        marked = None
                case "at_end":
                    assert source.at_end() == (position == len(content))
                case _:
                    wanted = length if step == "exactly" else 1
                    if position + wanted > len(content):
                        left = len(content) - position
                        with pytest.raises(
                            ArchiveError, match=f"{wanted} bytes expected, {left} left"
                        ):
                            source.exactly(wanted)
                        return
                    found = source.exactly(wanted) if step == "exactly" else [source.byte()]
                    assert bytes(found) == content[position : position + wanted]
                    position += wanted
            assert (
                source.buffer[source.start : source.stop]
                == content[position : position + source.stop - source.start]
            )


@settings(max_examples=200)
@given(
    st.lists(st.integers(-(2**31) + 1, 2**31 - 1) | st.none() | st.binary(max_size=100)),
    st.integers(1, 40),
    st.integers(1, 20),
    int_sizes,
)
def test_integers_and_strings_are_read_over_the_edge_of_a_window(
    values: Sequence[int | bytes | None], window: int, size: int, int_size: int
) -> None:
    encoded = b"".join(
        encode_integer(value, int_size)
        if isinstance(value, int)
        else primitives.encode_string(value, int_size)
        for value in values
    )
    with _window(window):
        source = ArchiveInput(in_pieces(encoded, size), int_size)
        for value in values:
            assert (source.integer() if isinstance(value, int) else source.string()) == value
        assert source.at_end()


def test_the_window_grows_no_further_than_what_it_must_hold() -> None:
    with _window(16):
        source = ArchiveInput(in_pieces(bytes(100_000), 7))
        source.mark()
        source.exactly(9)
        source.since_mark()
        for _ in range(10_000):
            source.exactly(9)
        assert len(source.buffer) == 16
        source.exactly(100)
        assert len(source.buffer) == 128
