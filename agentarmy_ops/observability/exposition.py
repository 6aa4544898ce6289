"""Prometheus' text format, for gauges by the hundred thousand.

``prometheus_client`` writes the same, from an object per sample: for 10,000 tenants that took many
times as long (docs/performance.md). What few samples there are is left to it.
"""

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

# The others take two and more times as long for six hundredths less.
_LEVEL = 1
# A gzip header (RFC 1952): deflate, no name, no time, any system.
_HEADER = gzip.compress(b"", mtime=0)[:10]
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def labels_of(labels: Mapping[str, str]) -> str:
    """Labels as they follow a metric's name; values may hold anything."""
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}"


def gauge(name: str, meaning: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    """The lines of one gauge: what it means, and a value for each of the labels (as
    :func:`labels_of` writes them); nothing where there is no sample."""
    lines = [f"{name}{labels} {value!r}\n" for labels, value in samples]
    if lines:
        yield f"# HELP {name} {meaning}\n# TYPE {name} gauge\n"
        yield from lines


@dataclass(frozen=True)
class Part:
    """A piece of an exposition that is sent many times, and compressed once."""

    text: bytes
    _deflated: bytes = field(init=False, repr=False)
    _crc: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        compress = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        # Flushed to a whole byte, so that blocks of another compressor may follow.
        deflated = compress.compress(self.text) + compress.flush(zlib.Z_SYNC_FLUSH)
        object.__setattr__(self, "_deflated", deflated)
        object.__setattr__(self, "_crc", zlib.crc32(self.text))

    def gzip_with(self, rest: bytes) -> bytes:
        """This part and ``rest`` behind it as one gzip member: some clients read no more than the
        first. Only the rest is compressed now."""
        compress = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        end = compress.compress(rest) + compress.flush(zlib.Z_FINISH)
        trailer = struct.pack("<LL", zlib.crc32(rest, self._crc), len(self.text) + len(rest))
        return b"".join((_HEADER, self._deflated, end, trailer))
