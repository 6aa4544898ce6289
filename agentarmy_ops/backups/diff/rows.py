"""Rows as ``COPY`` writes them in its text format: a line each, a tab between columns.

Tabs, newlines and backslashes of values are escaped, so neither ever stands in a value.
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from agentarmy_ops.archive.fingerprint import text

_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

Pick = Callable[[bytes], bytes]


def split_rows(pieces: Iterable[memoryview | bytes]) -> Iterator[bytes]:
    """Rows without their newlines, out of pieces that end anywhere; a row is held whole."""
    begun: list[bytes] = []
    for piece in pieces:
        first, *rest = bytes(piece).split(b"\n")
        begun.append(first)
        if rest:
            yield b"".join(begun)
            begun = [rest.pop()]
            yield from rest


def picker(columns: Sequence[bytes], wanted: Sequence[bytes]) -> Pick:
    """What takes the ``wanted`` columns, in that order, out of a row of ``columns``."""
    if list(columns) == list(wanted):
        return lambda row: row
    positions = [columns.index(name) for name in wanted]
    splits = max(positions, default=0) + 1  # what stands further right need not be split
    if len(positions) == 1:
        (only,) = positions
        return lambda row: row.split(b"\t", splits)[only]

    def pick(row: bytes) -> bytes:
        fields = row.split(b"\t", splits)
        return b"\t".join([fields[position] for position in positions])

    return pick


def values(row: bytes) -> list[str]:
    """The values of a row without NULLs, for people."""
    return [
        text(_ESCAPED.sub(lambda found: _ESCAPES.get(found.group(1), found.group(1)), field))
        for field in row.split(b"\t")
    ]
