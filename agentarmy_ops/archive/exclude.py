"""Leave entries out of an archive while it streams."""

import io
from collections.abc import Iterator, Set

from agentarmy_ops.archive.data import read_blocks
from agentarmy_ops.archive.primitives import Readable
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


def _without(stream: Readable, catalog_ids: Set[tuple[int, int]]) -> Iterator[bytes | memoryview]:
    source, toc = read_toc(stream)
    excluded = entries_to_exclude(toc, catalog_ids)
    kept = [entry.without(excluded) for entry in toc.entries if entry.dump_id not in excluded]
    yield toc.with_entries(kept).encode()
    for block in read_blocks(source, toc.header):
        for piece in block.pieces:
            if block.dump_id not in excluded:
                yield piece.raw


class _ByteStream(io.RawIOBase):
    """A generator of bytes as a raw stream."""

    def __init__(self, pieces: Iterator[bytes | memoryview]) -> None:
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


def exclude_entries(stream: Readable, catalog_ids: Set[tuple[int, int]]) -> io.BufferedReader:
    """The archive of ``stream`` without the entries of these catalogue objects
    ((catalogue oid, object oid) pairs) and without what depends on them.

    Raises:
        ArchiveError: while reading, if the archive is damaged or cut short.
    """
    return io.BufferedReader(_ByteStream(_without(stream, catalog_ids)), 1 << 20)
