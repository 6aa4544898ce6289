"""Count and hash the rows of a table while its data goes by."""

import hashlib
from collections.abc import Iterator

from agentarmy_ops.archive.data import DataBlock, Sink
from agentarmy_ops.archive.fingerprint import TableFingerprint, text
from agentarmy_ops.archive.toc import TocEntry
from agentarmy_ops.errors import ArchiveError

# pg_dump ends each table's COPY data with this (dumpTableData_copy in pg_dump.c).
COPY_TERMINATOR = b"\\.\n\n\n"


class RowsDigest:
    """Rows, bytes and sha256 of data that ends with a terminator, which is not part of it."""

    def __init__(self, terminator: bytes) -> None:
        self._terminator = terminator
        self._kept = len(terminator)
        self._sha256 = hashlib.sha256()
        # The last bytes so far: they may be the terminator, so they wait for what follows.
        self._tail = b""
        self._size = self._newlines = 0

    def add(self, data: memoryview, newlines: int) -> None:
        """Take more data, with so many newlines in it."""
        self._size += len(data)
        self._newlines += newlines
        kept = self._kept
        if len(data) < kept:
            joined = self._tail + data
            cut = max(len(joined) - kept, 0)
            self._sha256.update(joined[:cut])
            self._tail = joined[cut:]
            return
        if self._tail:
            self._sha256.update(self._tail)
        self._sha256.update(data[: len(data) - kept])
        self._tail = bytes(data[len(data) - kept :])

    def finish(self) -> tuple[int, int, str]:
        """Rows, bytes and sha256 of what came before the terminator.

        Raises:
            ArchiveError: the data does not end with it.
        """
        if self._tail != self._terminator:
            raise ArchiveError("the archive is damaged: table data does not end as COPY data does")
        rows = self._newlines - self._terminator.count(b"\n")
        return rows, self._size - self._kept, self._sha256.hexdigest()


def copy_data(block: DataBlock, digest: RowsDigest) -> Iterator[memoryview | bytes]:
    """One table's data as ``COPY … FROM STDIN`` takes it, while ``digest`` takes it too; each
    piece is valid until the next is asked for.

    Raises:
        ArchiveError: the block is damaged or cut short.
    """
    kept, tail = len(COPY_TERMINATOR), b""  # the last bytes may be the terminator, so they wait
    for _, data, newlines, _ in block.pieces:
        digest.add(data, newlines)
        if len(data) < kept:
            joined = tail + data
            cut = max(len(joined) - kept, 0)
            yield joined[:cut]
            tail = joined[cut:]
            continue
        yield tail
        yield data[: len(data) - kept]
        tail = bytes(data[len(data) - kept :])


def read_block(entry: TocEntry, block: DataBlock, sink: Sink) -> Iterator[TableFingerprint]:
    """Read a block to its end, show ``sink`` the archive's bytes, and yield what is in it: one
    table, or any number of large objects.

    Raises:
        ArchiveError: it is damaged or cut short.
    """
    if block.is_large_objects:
        yield from _large_objects(block, sink)
        return
    digest = RowsDigest(COPY_TERMINATOR)
    for raw, data, newlines, _ in block.pieces:
        digest.add(data, newlines)
        sink(raw)
    rows, size, sha256 = digest.finish()
    yield TableFingerprint(
        namespace=text(entry.namespace), table=text(entry.tag), rows=rows, bytes=size, sha256=sha256
    )


def _large_objects(block: DataBlock, sink: Sink) -> Iterator[TableFingerprint]:
    current, digest = 0, RowsDigest(b"")
    for raw, data, _, object_oid in block.pieces:
        if object_oid != current:
            if current:
                yield _large_object(current, digest)
            current, digest = object_oid, RowsDigest(b"")
        digest.add(data, 0)
        sink(raw)


def _large_object(object_oid: int, digest: RowsDigest) -> TableFingerprint:
    _, size, sha256 = digest.finish()
    return TableFingerprint(namespace="", table=str(object_oid), rows=0, bytes=size, sha256=sha256)
