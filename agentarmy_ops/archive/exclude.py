"""Leave entries out of an archive while it streams."""

import io
from collections.abc import Iterable, Iterator, Set
from itertools import groupby
from typing import BinaryIO

from agentarmy_ops.archive.data import BLOCK_DATA, BLOCK_LARGE_OBJECTS, DataBlock, read_blocks
from agentarmy_ops.archive.primitives import encode_integer
from agentarmy_ops.archive.toc import TableOfContents, read_toc


def entries_to_exclude(toc: TableOfContents, catalog_ids: Set[tuple[int, int]]) -> frozenset[int]:
    """Dump ids of the entries with these catalogue ids and of all that depend on them
    (their comments, grants, data, indexes, ...)."""
    excluded: set[int] = {entry.dump_id for entry in toc.entries if entry.catalog_id in catalog_ids}
    found = bool(excluded)
    while found:
        dependents = {
            entry.dump_id
            for entry in toc.entries
            if entry.dump_id not in excluded
            and any(int(dependency) in excluded for dependency in entry.dependencies)
        }
        excluded |= dependents
        found = bool(dependents)
    return frozenset(excluded)


def _encode_chunks(chunks: Iterable[bytes], int_size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield encode_integer(len(chunk), int_size) + chunk
    yield encode_integer(0, int_size)


def _encode_blocks(blocks: Iterator[DataBlock], int_size: int) -> Iterator[bytes]:
    # pg_restore takes one block for an entry and passes over others of the same, so all large
    # objects of one entry have to be in one.
    for (dump_id, large), group in groupby(blocks, key=lambda b: (b.dump_id, b.object_oid > 0)):
        yield bytes([BLOCK_LARGE_OBJECTS if large else BLOCK_DATA])
        yield encode_integer(dump_id, int_size)
        for block in group:
            if large:
                yield encode_integer(block.object_oid, int_size)
            yield from _encode_chunks(block.chunks, int_size)
        if large:
            yield encode_integer(0, int_size)


def _kept(blocks: Iterator[DataBlock], excluded: Set[int]) -> Iterator[DataBlock]:
    for block in blocks:
        if block.dump_id in excluded:
            for _ in block.chunks:
                pass
        else:
            yield block


def _without(stream: BinaryIO, catalog_ids: Set[tuple[int, int]]) -> Iterator[bytes]:
    source, toc = read_toc(stream)
    excluded = entries_to_exclude(toc, catalog_ids)
    kept = [entry.without(excluded) for entry in toc.entries if entry.dump_id not in excluded]
    yield toc.with_entries(kept).encode()
    blocks = _kept(read_blocks(source, toc.header), excluded)
    yield from _encode_blocks(blocks, toc.header.int_size)


class _ByteStream(io.RawIOBase):
    """A generator of bytes as a raw stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def exclude_entries(stream: BinaryIO, catalog_ids: Set[tuple[int, int]]) -> BinaryIO:
    """The archive of ``stream`` without the entries of these catalogue objects
    ((catalogue oid, object oid) pairs) and without what depends on them.

    Raises:
        ArchiveError: while reading, if the archive is damaged or cut short.
    """
    return io.BufferedReader(_ByteStream(_without(stream, catalog_ids)), 1 << 20)
