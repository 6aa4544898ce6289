"""The inner loop: take the lengths out from between the data chunks of an archive.

pg_dump writes about one chunk per row (``_WriteData`` in pg_backup_custom.c), so this walks
millions of them. It is compiled (``_chunks.c``) where a compiler was at hand when the package was
built, and in Python where none was: slower, with the same results (a test compares them).
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

# A chunk is a row, or a piece of one: PostgreSQL makes none longer than 1 GB (MaxAllocSize).
LONGEST_CHUNK = 1 << 30


class Unwrap(Protocol):
    """Copies the data of whole chunks from ``source[start:stop]``, where the length of a chunk
    begins at ``start``, into ``target``. Returns the position behind what was copied, the bytes
    and the newlines written to ``target``, and whether the block's end was reached, which is
    passed over.

    It stops where the rest of ``source`` or of ``target`` does not hold a chunk whole.

    Raises:
        ValueError: the length of a chunk is negative or too large.
    """

    def __call__(
        self, source: "Buffer", start: int, stop: int, target: "Buffer", int_size: int, /
    ) -> tuple[int, int, int, bool]:
        """See the class."""
        ...


def unwrap_in_python(
    source: "Buffer", start: int, stop: int, target: "Buffer", int_size: int, /
) -> tuple[int, int, int, bool]:
    """:class:`Unwrap` without a compiler."""
    header = 1 + int_size
    position, ended = start, False
    pieces = []
    with memoryview(source) as view, memoryview(target) as into:
        if not 0 <= start <= stop <= len(view) or int_size not in (4, 8):
            raise ValueError("positions outside of the source")
        room = len(into)
        while stop - position >= header:
            length = int.from_bytes(view[position + 1 : position + header], "little")
            if length > LONGEST_CHUNK or (length and view[position]):
                raise ValueError("not the length of a chunk")
            behind = position + header + length
            if not length:
                position, ended = behind, True
                break
            if behind > stop or length > room:
                break
            pieces.append(view[position + header : behind])
            room -= length
            position = behind
        data = b"".join(pieces)
        into[: len(data)] = data
    return position, len(data), data.count(b"\n"), ended


unwrap: Unwrap
COMPILED: bool
try:
    from agentarmy_ops.archive._chunks import unwrap

    COMPILED = True
except ImportError:
    unwrap, COMPILED = unwrap_in_python, False
