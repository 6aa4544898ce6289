"""The data blocks of an archive, which follow its table of contents in any order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from agentarmy_ops.archive.chunks import LONGEST_CHUNK, unwrap
from agentarmy_ops.archive.primitives import WINDOW_BYTES, ArchiveInput, encode_integer
from agentarmy_ops.archive.toc import Header
from agentarmy_ops.errors import ArchiveError

BLOCK_DATA = 1  # BLK_DATA: one table
BLOCK_LARGE_OBJECTS = 3  # BLK_BLOBS: any number of large objects

# Takes bytes, which are only valid during the call.
Sink = Callable[[memoryview], object]


def ignore(_: memoryview) -> None:
    """The sink of bytes that nobody wants."""


class Piece(NamedTuple):
    """A part of a block. ``raw`` is what is in the archive, ``data`` what is between the lengths
    of chunks in it, with ``newlines`` of them; for large objects, ``object_oid`` is the one whose
    bytes these are, else 0. Both views are valid until the next piece is asked for."""

    raw: memoryview
    data: memoryview
    newlines: int
    object_oid: int


@dataclass(frozen=True)
class DataBlock:
    """The data of the entry ``dump_id``.

    ``pieces`` must be read to their end before the next block is asked for; one after the other,
    their ``raw`` is the block.
    """

    dump_id: int
    is_large_objects: bool
    pieces: Iterator[Piece]

    def pass_to(self, sink: Sink) -> None:
        """Hand the whole block to ``sink``, as it is."""
        for piece in self.pieces:
            sink(piece.raw)


_NOTHING = memoryview(b"")


class BlockReader:
    """Reads the blocks that follow a table of contents, with one buffer for all."""

    def __init__(self, source: ArchiveInput, header: Header) -> None:
        self._source = source
        self._compression = header.compression
        self._target = bytearray(WINDOW_BYTES)
        self._data = memoryview(self._target)

    def blocks(self) -> Iterator[DataBlock]:
        """The data blocks up to the end of the stream.

        Raises:
            ArchiveError: the archive is compressed inside, damaged or cut short.
        """
        if self._compression:
            raise ArchiveError(
                "the archive is compressed inside (pg_dump -Z); archives of this package are not"
            )
        source = self._source
        # The stream may end here and nowhere else.
        while not source.at_end():
            kind = source.byte()
            dump_id = source.integer()
            begin = bytes([kind]) + encode_integer(dump_id, source.int_size)
            if kind == BLOCK_DATA:
                yield DataBlock(dump_id, False, self._table(begin))
            elif kind == BLOCK_LARGE_OBJECTS:
                yield DataBlock(dump_id, True, self._large_objects(begin))
            else:
                raise ArchiveError(f"the archive is damaged: unknown data block type {kind}")

    def _table(self, begin: bytes) -> Iterator[Piece]:
        yield Piece(memoryview(begin), _NOTHING, 0, 0)
        yield from self._chunks(0)

    def _large_objects(self, begin: bytes) -> Iterator[Piece]:
        yield Piece(memoryview(begin), _NOTHING, 0, 0)
        source = self._source
        while object_oid := source.integer():
            raw = encode_integer(object_oid, source.int_size)
            yield Piece(memoryview(raw), _NOTHING, 0, object_oid)
            yield from self._chunks(object_oid)
        yield Piece(memoryview(encode_integer(0, source.int_size)), _NOTHING, 0, 0)

    def _chunks(self, object_oid: int) -> Iterator[Piece]:
        source, header = self._source, 1 + self._source.int_size
        ended = False
        while not ended:
            start = source.start
            try:
                source.start, count, newlines, ended = unwrap(
                    source.buffer, start, source.stop, self._target, source.int_size
                )
            except ValueError:
                self._refuse_length()
            if source.start > start:
                raw = source.view[start : source.start]
                yield Piece(raw, self._data[:count], newlines, object_oid)
            elif source.stop - start >= header and self._next_length() > WINDOW_BYTES - header:
                yield from self._long_chunk(object_oid)
            elif not source.more():
                raise ArchiveError("the archive is cut short: table data goes on")

    def _long_chunk(self, object_oid: int) -> Iterator[Piece]:
        """A chunk that the window does not hold whole."""
        source = self._source
        left = source.integer()
        header = encode_integer(left, source.int_size)
        yield Piece(memoryview(header), _NOTHING, 0, object_oid)
        while left:
            if source.start == source.stop and not source.more():
                raise ArchiveError(f"the archive is cut short: {left} bytes expected, none left")
            begin = source.start
            source.start = min(source.stop, begin + left)
            left -= source.start - begin
            data = source.view[begin : source.start]
            yield Piece(data, data, source.buffer.count(b"\n", begin, source.start), object_oid)

    def _next_length(self) -> int:
        source = self._source
        begin = source.start
        length = source.integer()
        source.start = begin
        return length

    def _refuse_length(self) -> None:
        """Raise for the first length that is none."""
        while 0 <= (length := self._source.integer()) <= LONGEST_CHUNK:
            self._source.exactly(length)
        raise ArchiveError(f"the archive is damaged: a data chunk of {length} bytes") from None


def read_blocks(source: ArchiveInput, header: Header) -> Iterator[DataBlock]:
    """:meth:`BlockReader.blocks` of the archive whose table of contents was read."""
    return BlockReader(source, header).blocks()
