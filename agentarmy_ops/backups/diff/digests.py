"""Find the rows two sides do not share, in bounded memory, and with no row on disk.

Of each row only two digests of 16 bytes are kept: of its key and of all of it. They are written
to a temporary file in parts, by the key's digest, and then compared a part at a time. The file has
no name, so nothing is left of it, however the process ends. The digests are keyed with random bytes
that exist in memory only: without, whoever reads the disk later could find by trying which
e-mail addresses, names or numbers were among the keys.
"""

import secrets
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Self

from agentarmy_ops.backups.diff.rows import Pick
from agentarmy_ops.errors import OpsError
from agentarmy_ops.localfiles import explain

_DIGEST = 16
_RECORD = 2 * _DIGEST
# Records of a part when compared: about 20 MB as a dict. Each part has a buffer while they are
# collected: 16 KB for every 100,000 rows.
_PART_ROWS = 100_000
_BUFFER = 512 * _RECORD


class Digester:
    """Digests that mean nothing to any other process."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def __call__(self, data: bytes) -> bytes:
        """16 bytes."""
        return blake2b(data, digest_size=_DIGEST, key=self._secret).digest()


class DigestFile:
    """The digests of one side, in parts.

    Raises:
        OpsError: there is no room for temporary files.
    """

    def __init__(self, parts: int) -> None:
        self._buffers = [bytearray() for _ in range(parts)]
        self._spilled: list[list[tuple[int, int]]] = [[] for _ in range(parts)]
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise _no_room(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def collect(self, rows: Iterable[bytes], digest: Digester, key: Pick, whole: Pick) -> None:
        """Take rows, told apart by what ``key`` picks and compared by what ``whole`` picks.

        Raises:
            OpsError: there is no room for temporary files.
        """
        buffers, parts = self._buffers, len(self._buffers)
        for row in rows:
            of_key = digest(key(row))
            part = int.from_bytes(of_key[:8], "big") % parts
            buffer = buffers[part]
            buffer += of_key
            buffer += of_key if key is whole else digest(whole(row))
            if len(buffer) >= _BUFFER:
                self._spill(part)

    def _spill(self, part: int) -> None:
        buffer = self._buffers[part]
        try:
            self._spilled[part].append((self._file.seek(0, 2), len(buffer)))
            left = memoryview(bytes(buffer))
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _no_room(error) from None
        buffer.clear()

    def part(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Digests of key and row of all rows of a part."""
        for offset, length in self._spilled[number]:
            self._file.seek(offset)
            yield from _records(self._file.read(length))
        yield from _records(bytes(self._buffers[number]))


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(data), _RECORD):
        middle = start + _DIGEST
        yield data[start:middle], data[middle : start + _RECORD]


def _no_room(error: OSError) -> OpsError:
    return OpsError(
        f"the rows cannot be compared in {tempfile.gettempdir()} (TMPDIR), which takes 32 bytes a "
        f"row and side: {explain(error)}"
    )


@dataclass
class Found:
    """How many rows, and the digests of the keys of the first few."""

    most: int
    count: int = 0
    keys: set[bytes] = field(default_factory=set)

    def add(self, key: bytes, count: int = 1) -> None:
        """Count rows of a key."""
        self.count += count
        if len(self.keys) < self.most:
            self.keys.add(key)


@dataclass
class Tally:
    """What the second side has more, less, and otherwise than the first."""

    added: Found
    removed: Found
    changed: Found

    @classmethod
    def empty(cls, examples: int) -> Self:
        """Nothing yet; to keep the digests of so many keys of each kind."""
        return cls(Found(examples), Found(examples), Found(examples))


def parts_for(rows: int) -> int:
    """In how many parts a table of so many rows is compared."""
    return rows // _PART_ROWS + 1


def compare_by_key(before: DigestFile, after: DigestFile, parts: int, tally: Tally) -> None:
    """Compare rows whose keys are unique on both sides."""
    for number in range(parts):
        left = dict(before.part(number))
        for key, row in after.part(number):
            old = left.pop(key, None)
            if old is None:
                tally.added.add(key)
            elif old != row:
                tally.changed.add(key)
        for key in left:
            tally.removed.add(key)


def compare_whole(before: DigestFile, after: DigestFile, parts: int, tally: Tally) -> None:
    """Compare rows that may be there many times, by how often each is."""
    for number in range(parts):
        left = Counter(row for _, row in before.part(number))
        left.subtract(row for _, row in after.part(number))
        for row, count in left.items():
            if count:
                (tally.removed if count > 0 else tally.added).add(row, abs(count))
