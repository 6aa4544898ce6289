"""Between an archive and its stored object: zstd, sha256, and the counting of bytes.

Both directions stream in constant memory. What is stored can be read back by the programs
``zstd`` and ``pg_restore`` alone.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import zstandard

from agentarmy_ops.backups.manifest import ArchiveFacts
from agentarmy_ops.errors import ArchiveError
from agentarmy_ops.stores.base import ObjectWriter, Store

READ_BYTES = 1 << 20


class Sink(Protocol):
    """Receives bytes."""

    def __call__(self, data: memoryview, /) -> None:
        """Take ``data``, which is only valid during the call."""
        ...


class ObservedReader(io.RawIOBase):
    """A raw stream that shows each piece it reads to a sink first."""

    def __init__(self, stream: BinaryIO | io.RawIOBase, sink: Sink) -> None:
        self._stream = stream
        self._sink = sink

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill ``buffer`` from the stream; the bytes go to the sink as well."""
        count = self._stream.readinto(buffer) or 0  # type: ignore[union-attr]
        if count:
            self._sink(memoryview(buffer)[:count])
        return count


def observed(stream: BinaryIO | io.RawIOBase, sink: Sink) -> io.BufferedReader:
    """``stream``, buffered, with every byte read from it shown to ``sink``."""
    return io.BufferedReader(ObservedReader(stream, sink), READ_BYTES)


@dataclass
class ArchiveWriter:
    """Compresses an archive into a store's object and measures both."""

    _writer: ObjectWriter
    _compressor: "zstandard.ZstdCompressionObj"
    _sha256: "hashlib._Hash"
    plain_bytes: int = 0
    stored_bytes: int = 0

    def write(self, data: memoryview) -> None:
        """Add a piece of the archive."""
        self.plain_bytes += len(data)
        self._store(self._compressor.compress(data))

    def _store(self, compressed: bytes) -> None:
        if compressed:
            self._sha256.update(compressed)
            self.stored_bytes += len(compressed)
            self._writer.write(compressed)

    def finish(self, object_name: str) -> ArchiveFacts:
        """End the compressed stream and say what was stored."""
        self._store(self._compressor.flush())
        return ArchiveFacts(
            object_name=object_name,
            plain_bytes=self.plain_bytes,
            stored_bytes=self.stored_bytes,
            sha256=self._sha256.hexdigest(),
            compression="zstd",
        )


@contextmanager
def create_archive(store: Store, object_name: str, level: int) -> Iterator[ArchiveWriter]:
    """Open an archive's object for writing at zstd ``level``; it appears when the block ends.

    Raises:
        StoreError: the store failed.
        ObjectExistsError: there is such an object already.
    """
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    with store.create(object_name) as writer:
        yield ArchiveWriter(writer, compressor.compressobj(), hashlib.sha256())


@dataclass
class StoredBytes:
    """Size and sha256 of a stored object, complete once it was read to its end."""

    _sha256: "hashlib._Hash"
    size: int = 0

    def __call__(self, data: memoryview) -> None:
        """Take the next bytes of the object."""
        self.size += len(data)
        self._sha256.update(data)

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of what was read so far."""
        return self._sha256.hexdigest()


class _Decompressed(io.RawIOBase):
    """zstd's reader with its own error turned into ours."""

    def __init__(self, reader: "zstandard.ZstdDecompressionReader") -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        try:
            return self._reader.readinto(buffer)
        except zstandard.ZstdError as error:
            raise ArchiveError(f"the stored object is damaged: {error}") from None


@contextmanager
def open_archive(
    store: Store, object_name: str, sink: Callable[[memoryview], None]
) -> Iterator[tuple[io.BufferedReader, StoredBytes]]:
    """Read a stored archive back: the plain archive, each byte of which is shown to ``sink``,
    and the measure of the stored bytes behind it.

    At the end of the block the stored object is read to its end, whatever happened, so that its
    sha256 is always that of the whole object.

    Raises:
        ArchiveError: while reading, when the compressed stream is damaged.
        ObjectNotFoundError, StoreError: the store has no such object, or failed.
    """
    with store.open(object_name) as stored:
        measure = StoredBytes(hashlib.sha256())
        measured = observed(stored, measure)
        reader = zstandard.ZstdDecompressor().stream_reader(
            measured, read_across_frames=True, closefd=False
        )
        try:
            yield observed(_Decompressed(reader), sink), measure
        finally:
            while measured.read(READ_BYTES):
                pass
