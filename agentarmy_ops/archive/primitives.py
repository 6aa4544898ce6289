"""The integers and strings an archive is made of (``ReadInt``, ``ReadStr`` and their writers)."""

from dataclasses import dataclass
from typing import BinaryIO

from agentarmy_ops.errors import ArchiveError

# A definition can be long (a function body, a partition list), but not this long; a larger
# number means damaged bytes, and must not make us ask for that much memory.
MAX_STRING_BYTES = 1 << 30
READ_BYTES = 1 << 20


@dataclass
class ArchiveInput:
    """Reads an archive's primitive values from a stream, never beyond what is asked for."""

    stream: BinaryIO
    int_size: int = 4

    def exactly(self, length: int) -> bytes:
        """Read ``length`` bytes.

        Raises:
            ArchiveError: the stream ends before.
        """
        data = self.stream.read(min(length, READ_BYTES))
        if len(data) == length:
            return data
        # Long or short: in pieces, so that a damaged length cannot make us ask for memory
        # that the stream has no bytes for.
        pieces, have = [data], len(data)
        while have < length:
            piece = self.stream.read(min(length - have, READ_BYTES))
            if not piece:
                raise ArchiveError(
                    f"the archive is cut short: {length} bytes expected, {have} left"
                )
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def byte(self) -> int:
        """Read one unsigned byte."""
        return self.exactly(1)[0]

    def integer(self) -> int:
        """Read a sign byte and ``int_size`` little-endian bytes."""
        raw = self.exactly(1 + self.int_size)
        value = int.from_bytes(raw[1:], "little")
        return -value if raw[0] else value

    def string(self) -> bytes | None:
        """Read a length-prefixed string; a negative length is NULL."""
        length = self.integer()
        if length < 0:
            return None
        if length > MAX_STRING_BYTES:
            raise ArchiveError(f"the archive is damaged: a string of {length} bytes")
        return self.exactly(length)


def encode_integer(value: int, int_size: int = 4) -> bytes:
    """The bytes of an integer: sign byte, then the magnitude in little-endian order."""
    return (b"\1" if value < 0 else b"\0") + abs(value).to_bytes(int_size, "little")


def encode_string(value: bytes | None, int_size: int = 4) -> bytes:
    """The bytes of a string; None is written as length -1."""
    if value is None:
        return encode_integer(-1, int_size)
    return encode_integer(len(value), int_size) + value
