"""Streams that hand out an archive in fragments."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Fragments:
    """A stream that never reads over the end of a fragment; ``given`` is how many were begun."""

    def __init__(self, fragments: Sequence[bytes]) -> None:
        self._fragments = list(fragments)
        self._rest = memoryview(b"")
        self.given = 0

    def readinto(self, buffer: "Buffer", /) -> int:
        """As of a raw stream."""
        while not self._rest and self.given < len(self._fragments):
            self._rest = memoryview(self._fragments[self.given])
            self.given += 1
        with memoryview(buffer) as into:
            count = min(len(into), len(self._rest))
            into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def in_pieces(data: bytes, size: int) -> Fragments:
    """A stream that gives at most ``size`` bytes at a time."""
    return Fragments([data[begin : begin + size] for begin in range(0, len(data), size)])
