"""Leave entries out of an archive while it streams."""

import io
from collections.abc import Callable, Iterator, Set

from agentarmy_ops.archive.data import read_blocks
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.archive.toc import TableOfContents, read_toc


def entries_to_exclude(toc: TableOfContents, catalog_ids: Set[tuple[int, int]]) -> frozenset[int]:
    """Dump ids of the entries with these catalogue ids and of all that depend on them
    (their comments, grants, data, indexes, ...)."""
    return with_dependents(
        toc, {entry.dump_id for entry in toc.entries if entry.catalog_id in catalog_ids}
    )


def with_dependents(toc: TableOfContents, dump_ids: Set[int]) -> frozenset[int]:
    """These dump ids and those of all entries that depend on them."""
    excluded = set(dump_ids)
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


def without_entries(toc: TableOfContents, dump_ids: frozenset[int]) -> TableOfContents:
    """The table of contents without the entries of these dump ids."""
    kept = [entry.without(dump_ids) for entry in toc.entries if entry.dump_id not in dump_ids]
    return toc.with_entries(kept)


def _without(
    stream: Readable, choose: Callable[[TableOfContents], frozenset[int]]
) -> Iterator[bytes | memoryview]:
    source, toc = read_toc(stream)
    excluded = choose(toc)
    yield without_entries(toc, excluded).encode()
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
    pieces = _without(stream, lambda toc: entries_to_exclude(toc, catalog_ids))
    return io.BufferedReader(_ByteStream(pieces), 1 << 20)


def exclude_dump_ids(stream: Readable, dump_ids: frozenset[int]) -> io.BufferedReader:
    """The archive of ``stream`` without the entries of these dump ids.

    Raises:
        ArchiveError: while reading, if the archive is damaged or cut short.
    """
    return io.BufferedReader(_ByteStream(_without(stream, lambda _: dump_ids)), 1 << 20)
