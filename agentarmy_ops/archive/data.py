"""The data blocks of an archive, which follow its table of contents in any order."""

from collections.abc import Iterator
from dataclasses import dataclass

from agentarmy_ops.archive.primitives import MAX_STRING_BYTES, READ_BYTES, ArchiveInput
from agentarmy_ops.archive.toc import Header
from agentarmy_ops.errors import ArchiveError

BLOCK_DATA = 1  # BLK_DATA: one table
BLOCK_LARGE_OBJECTS = 3  # BLK_BLOBS: any number of large objects


@dataclass(frozen=True)
class DataBlock:
    """The data of the entry ``dump_id``. For large objects, ``object_oid`` is the oid of the
    one whose bytes these are; for a table it is 0.

    ``chunks`` must be read to its end before the next block is asked for.
    """

    dump_id: int
    object_oid: int
    chunks: Iterator[bytes]


def _chunks(source: ArchiveInput) -> Iterator[bytes]:
    while length := source.integer():
        if not 0 < length <= MAX_STRING_BYTES:
            raise ArchiveError(f"the archive is damaged: a data chunk of {length} bytes")
        while length > READ_BYTES:
            yield source.exactly(READ_BYTES)
            length -= READ_BYTES
        yield source.exactly(length)


def read_blocks(source: ArchiveInput, header: Header) -> Iterator[DataBlock]:
    """The data blocks up to the end of the stream.

    Raises:
        ArchiveError: the archive is compressed inside, damaged or cut short.
    """
    if header.compression:
        raise ArchiveError(
            "the archive is compressed inside (pg_dump -Z); archives of this package are not"
        )
    # The stream may end here and nowhere else.
    while kind := source.stream.read(1):
        dump_id = source.integer()
        if kind[0] == BLOCK_DATA:
            yield DataBlock(dump_id, 0, _chunks(source))
        elif kind[0] == BLOCK_LARGE_OBJECTS:
            while object_oid := source.integer():
                yield DataBlock(dump_id, object_oid, _chunks(source))
        else:
            raise ArchiveError(f"the archive is damaged: unknown data block type {kind[0]}")
