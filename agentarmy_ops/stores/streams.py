"""The two ends of an object's bytes in a file. Failures of the disk are store errors here too,
while whatever the caller raises between two calls stays what it was."""

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from agentarmy_ops.errors import StoreError
from agentarmy_ops.localfiles import explain

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BUFFER = 1024 * 1024  # bytes; a system call per megabyte costs nothing


class FileWriter:
    """Writes to a descriptor it owns, which is at an end after ``finish`` or ``abandon``."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._file = os.fdopen(descriptor, "wb", _BUFFER)
        self._path = path

    def write(self, data: bytes | memoryview, /) -> int:
        """Append ``data``; returns its length in bytes.

        Raises:
            StoreError: the disk refused it.
        """
        try:
            return self._file.write(data)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {explain(error)}") from error

    def finish(self) -> None:
        """Make all bytes durable and close; raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close, whatever becomes of bytes not yet written; does nothing after ``finish``."""
        with suppress(OSError):
            self._file.close()


class _StoredFile(io.FileIO):
    def __init__(self, descriptor: int, path: str) -> None:
        super().__init__(descriptor, "rb")
        self._path = path

    def readinto(self, buffer: "Buffer", /) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {explain(error)}") from error

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {explain(error)}") from error


def open_writer(descriptor: int, path: str) -> FileWriter:
    """A writer that takes over ``descriptor``; ``path`` is for messages."""
    return FileWriter(descriptor, path)


def open_reader(descriptor: int, path: str) -> BinaryIO:
    """A buffered reader that takes over ``descriptor``; ``path`` is for messages.

    Raises:
        OSError: it is the descriptor of a folder.
    """
    try:
        return io.BufferedReader(_StoredFile(descriptor, path), _BUFFER)
    except OSError:
        os.close(descriptor)
        raise
