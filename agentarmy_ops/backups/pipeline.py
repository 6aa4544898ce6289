"""Between an archive and its stored object: zstd, age, sha256, and the counting of bytes.

Both directions stream in constant memory. What is stored can be read back by the programs
``age``, ``zstd`` and ``pg_restore`` alone.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Self

import zstandard

from agentarmy_ops.archive.data import Sink
from agentarmy_ops.backups.encryption import Encryptor, decrypted, encrypt
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import ArchiveFacts, Encryption
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.errors import ArchiveError, OpsError
from agentarmy_ops.stores.base import ObjectWriter, Store

READ_BYTES = 1 << 20
# Of a compressed archive, before its object is begun in the store.
HELD_BYTES = 4 << 20


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
class StoredBytes:
    """Size and sha256 of a stored object, complete once all of it went through."""

    _sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    size: int = 0

    def __call__(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the object."""
        self.size += len(data)
        self._sha256.update(data)

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of what came so far."""
        return self._sha256.hexdigest()


class ArchiveWriter:
    """Compresses an archive, encrypts it if it is given how, and stores it; measures it before
    and after.

    A small archive is kept in memory until it is finished, so that encrypting it and writing it
    to the store can be another thread's work. The object appears when :meth:`finish` returns, and
    never without it.
    """

    def __init__(
        self,
        store: Store,
        ref: BackupRef,
        level: int,
        *,
        encryption: Encryption | None = None,
        threads: int = 0,
    ) -> None:
        self._store = store
        self._object_name = ref.encrypted_archive if encryption else ref.archive
        self._encryption = encryption
        compressor = zstandard.ZstdCompressor(level=level, threads=threads, write_checksum=True)
        self._compressor = compressor.compressobj()
        self._plain_bytes = self._held_bytes = 0
        self._held: list[bytes] = []
        self._stored = StoredBytes()
        self._object = ExitStack()
        self._writer: ObjectWriter | None = None
        self._encryptor: Encryptor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.abandon()

    def write(self, data: memoryview) -> None:
        """Add a piece of the archive.

        Raises:
            StoreError: the store failed.
        """
        self._plain_bytes += len(data)
        if compressed := self._compressor.compress(data):
            self._add(compressed)

    def _add(self, compressed: bytes) -> None:
        if self._encryptor:
            self._encryptor.write(compressed)
        elif self._writer:
            self._store_bytes(compressed)
        else:
            self._held.append(compressed)
            self._held_bytes += len(compressed)
            if self._held_bytes > HELD_BYTES:
                self._stream()

    def _stream(self) -> None:
        """Go on without holding anything."""
        self._open()
        into: Callable[[bytes], object] = self._store_bytes
        if self._encryption:
            self._encryptor = Encryptor(self._encryption.recipients, self._store_bytes)
            into = self._encryptor.write
        for compressed in self._held:
            into(compressed)
        self._held.clear()

    def _open(self) -> None:
        self._writer = self._object.enter_context(self._store.create(self._object_name))

    def _store_bytes(self, data: bytes) -> None:
        """The last step, in whatever thread it is."""
        self._stored(data)
        if self._writer:
            self._writer.write(data)

    def finish(self) -> ArchiveFacts:
        """End the archive, complete the object, and say what was stored.

        Raises:
            StoreError: the store failed.
            ObjectExistsError: there is such an object already.
        """
        self._add(self._compressor.flush())
        if self._encryptor:
            self._encryptor.finish()
        elif not self._writer:
            self._store_held()
        self._object.close()
        return ArchiveFacts(
            object_name=self._object_name,
            plain_bytes=self._plain_bytes,
            stored_bytes=self._stored.size,
            sha256=self._stored.sha256,
            compression="zstd",
            encryption=self._encryption,
        )

    def _store_held(self) -> None:
        self._open()
        if self._encryption:
            held = io.BytesIO(b"".join(self._held))
            encrypt(held, self._encryption.recipients, self._store_bytes)
        else:
            for compressed in self._held:
                self._store_bytes(compressed)
        self._held.clear()

    def abandon(self) -> None:
        """Leave nothing of an archive that was not finished."""
        self._held.clear()
        if self._encryptor:
            self._encryptor.abandon()
        with suppress(_AbandonedError, OpsError):
            self._object.__exit__(_AbandonedError, _AbandonedError(), None)


class _AbandonedError(Exception):
    """Ends the block in which an object is written, so that it does not appear."""


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
    store: Store, facts: ArchiveFacts, keys: Keys, sink: Sink
) -> Iterator[tuple[io.BufferedReader, StoredBytes]]:
    """Read a stored archive back: the plain archive, each byte of which is shown to ``sink``,
    and the measure of the stored bytes behind it.

    At the end of the block the stored object is read to its end, whatever happened, so that its
    sha256 is always that of the whole object.

    Raises:
        ArchiveError: while reading, when what is stored is damaged.
        SecretError: the key it is encrypted to cannot be had; nothing was read.
        ObjectNotFoundError, StoreError: the store has no such object, or failed.
    """
    identities = keys.identities(facts.encryption) if facts.encryption else ()
    with store.open(facts.object_name) as stored:
        measure = StoredBytes()
        measured = observed(stored, measure)
        try:
            with ExitStack() as stack:
                compressed = measured
                if identities:
                    compressed = stack.enter_context(decrypted(measured, identities))
                reader = zstandard.ZstdDecompressor().stream_reader(
                    compressed, read_across_frames=True, closefd=False
                )
                yield observed(_Decompressed(reader), sink), measure
        finally:
            while measured.read(READ_BYTES):
                pass
