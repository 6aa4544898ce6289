"""The integers and strings an archive is made of (``ReadInt``, ``ReadStr`` and their writers)."""

import struct
from typing import TYPE_CHECKING, Protocol

from agentarmy_ops.errors import ArchiveError

if TYPE_CHECKING:
    from typing_extensions import Buffer

# A definition can be long (a function body, a partition list), but not this long; a larger
# number means damaged bytes, and must not make us ask for that much memory.
MAX_STRING_BYTES = 1 << 30
WINDOW_BYTES = 1 << 20
_INTEGERS = {4: struct.Struct("<BI"), 8: struct.Struct("<BQ")}


class Readable(Protocol):
    """A stream of bytes: a file, a pipe, a :class:`io.BytesIO`."""

    def readinto(self, buffer: "Buffer", /) -> int | None:
        """Fill ``buffer``, or some of it; 0 at the end of the stream."""
        ...


class ArchiveInput:
    """Reads an archive through a window: ``buffer[start:stop]`` was read from the stream, and
    not yet from here.

    ``view`` is a memoryview of ``buffer``. Both are others after :meth:`more`.
    """

    def __init__(self, stream: Readable, int_size: int = 4) -> None:
        self.stream = stream
        self.int_size = int_size
        self.start = self.stop = 0
        self._mark: int | None = None
        self._use(bytearray(WINDOW_BYTES))

    def _use(self, buffer: bytearray) -> None:
        self.buffer, self.view = buffer, memoryview(buffer)

    def more(self) -> bool:
        """Read on behind what is in the window; False at the end of the stream.

        What is before ``start`` goes, and the window grows if what is in it fills it.
        """
        begin = self.start if self._mark is None else self._mark
        kept = self.stop - begin
        if begin:
            self.view[:kept] = self.view[begin : self.stop]
            self.start -= begin
            self.stop = kept
            if self._mark is not None:
                self._mark = 0
        elif kept == len(self.buffer):
            # Doubled only when the stream did fill it: a damaged length asks for no memory.
            larger = bytearray(2 * kept)
            larger[:kept] = self.buffer
            self._use(larger)
        count = self.stream.readinto(self.view[kept:])
        self.stop += count or 0
        return bool(count)

    def _require(self, length: int) -> None:
        while self.stop - self.start < length:
            if not self.more():
                raise ArchiveError(
                    f"the archive is cut short: {length} bytes expected, "
                    f"{self.stop - self.start} left"
                )

    def mark(self) -> None:
        """Keep what is read from here on for :meth:`since_mark`."""
        self._mark = self.start

    def since_mark(self) -> bytes:
        """The bytes read since :meth:`mark`."""
        begin, self._mark = self._mark or 0, None
        return bytes(self.view[begin : self.start])

    def at_end(self) -> bool:
        """Whether nothing is left to read."""
        return self.start == self.stop and not self.more()

    def exactly(self, length: int) -> bytes:
        """Read ``length`` bytes.

        Raises:
            ArchiveError: the stream ends before.
        """
        self._require(length)
        begin = self.start
        self.start += length
        return bytes(self.view[begin : self.start])

    def byte(self) -> int:
        """Read one unsigned byte."""
        self._require(1)
        self.start += 1
        return self.buffer[self.start - 1]

    def integer(self) -> int:
        """Read a sign byte and ``int_size`` little-endian bytes."""
        length = 1 + self.int_size
        if self.stop - self.start < length:
            self._require(length)
        value: int
        negative, value = _INTEGERS[self.int_size].unpack_from(self.buffer, self.start)
        self.start += length
        return -value if negative else value

    def string(self) -> bytes | None:
        """Read a length-prefixed string; a negative length is NULL."""
        length = self.integer()
        if length < 0:
            return None
        if length > MAX_STRING_BYTES:
            raise ArchiveError(f"the archive is damaged: a string of {length} bytes")
        if self.stop - self.start < length:
            self._require(length)
        begin = self.start
        self.start += length
        return bytes(self.view[begin : self.start])

    def strings(self, count: int) -> list[bytes | None]:
        """Read ``count`` strings, as :meth:`string` would, without a call for each."""
        unpack, header = _INTEGERS[self.int_size].unpack_from, 1 + self.int_size
        values: list[bytes | None] = []
        buffer, view, start, stop = self.buffer, self.view, self.start, self.stop
        while len(values) < count:
            if stop - start >= header:
                negative, length = unpack(buffer, start)
                begin = start + header
                if negative or begin + length <= stop:
                    start = begin if negative else begin + length
                    values.append(None if negative else bytes(view[begin:start]))
                    continue
            # Not whole in the window.
            self.start = start
            values.append(self.string())
            buffer, view, start, stop = self.buffer, self.view, self.start, self.stop
        self.start = start
        return values


def encode_integer(value: int, int_size: int = 4) -> bytes:
    """The bytes of an integer: sign byte, then the magnitude in little-endian order."""
    return (b"\1" if value < 0 else b"\0") + abs(value).to_bytes(int_size, "little")


def encode_string(value: bytes | None, int_size: int = 4) -> bytes:
    """The bytes of a string; None is written as length -1."""
    if value is None:
        return encode_integer(-1, int_size)
    return encode_integer(len(value), int_size) + value
