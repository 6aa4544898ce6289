"""Header and table of contents (TOC) of an archive: what it holds, entry by entry."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from agentarmy_ops.archive.primitives import (
    ArchiveInput,
    Readable,
    encode_integer,
    encode_string,
)
from agentarmy_ops.errors import ArchiveError

MAGIC = b"PGDMP"
FORMAT_CUSTOM = 1
# Archive versions (pg_backup_archiver.h) and the PostgreSQL majors that write them.
OLDEST_VERSION = (1, 14)  # 12 to 15
NEWEST_VERSION = (1, 16)  # 17, 18
VERSION_COMPRESSION_BYTE = (1, 15)  # from 16 on, the compression is one byte
VERSION_RELKIND = (1, 16)
LONGEST_NUMBER = 10  # digits of an oid or dump id: 32 bits
OFFSET_NOT_SET = 1  # K_OFFSET_POS_NOT_SET: written to a pipe, positions are unknown
OFFSET_NO_DATA = 3  # K_OFFSET_NO_DATA


@dataclass(frozen=True)
class Header:
    """The fixed first part of an archive.

    ``compression`` is the method's number (0 none, 1 gzip, 2 lz4, 3 zstd) from version 1.15
    on and gzip's level before; ``created`` is seconds, minutes, hours, day, month (from 0),
    year (from 1900) and the daylight-saving flag, as C's ``struct tm``.
    """

    version: tuple[int, int, int]
    int_size: int
    offset_size: int
    compression: int
    created: tuple[int, ...]
    database: bytes | None
    server_version: bytes | None
    tool_version: bytes | None

    def encode(self) -> bytes:
        """The header's bytes, as pg_dump writes them."""
        integer = [encode_integer(value, self.int_size) for value in self.created]
        compression = (
            bytes([self.compression])
            if self.version[:2] >= VERSION_COMPRESSION_BYTE
            else encode_integer(self.compression, self.int_size)
        )
        strings = [
            encode_string(value, self.int_size)
            for value in (self.database, self.server_version, self.tool_version)
        ]
        fixed = bytes([*self.version, self.int_size, self.offset_size, FORMAT_CUSTOM])
        return b"".join([MAGIC, fixed, compression, *integer, *strings])


@dataclass(frozen=True, slots=True)
class TocEntry:
    """One entry of the table of contents. Texts are bytes in the database's encoding;
    None is the archive's NULL. ``encoded`` is how the archive it was read from has it."""

    dump_id: int
    has_dumper: int
    table_oid: bytes | None
    oid: bytes | None
    tag: bytes | None
    desc: bytes | None
    section: int
    definition: bytes | None
    drop_statement: bytes | None
    copy_statement: bytes | None
    namespace: bytes | None
    tablespace: bytes | None
    table_am: bytes | None
    relkind: int
    owner: bytes | None
    with_oids: bytes | None
    dependencies: tuple[bytes, ...]
    offset_state: int
    offset: bytes
    encoded: bytes | None = field(default=None, compare=False, repr=False)

    @property
    def catalog_id(self) -> tuple[int, int]:
        """(oid of the system catalogue, oid of the object in it); (0, 0) where it has none."""
        return int(self.table_oid or b"0"), int(self.oid or b"0")

    def without(self, dump_ids: frozenset[int]) -> Self:
        """The entry with its dependencies on ``dump_ids`` removed."""
        kept = tuple(dep for dep in self.dependencies if int(dep) not in dump_ids)
        if len(kept) == len(self.dependencies):
            return self
        return replace(self, dependencies=kept, encoded=None)

    def encode(self, header: Header) -> bytes:
        """The entry's bytes in an archive with this header, which must be that of the archive it
        was read from, if it was."""
        if self.encoded is not None:
            return self.encoded

        def integer(value: int) -> bytes:
            return encode_integer(value, header.int_size)

        def string(value: bytes | None) -> bytes:
            return encode_string(value, header.int_size)

        parts = [integer(self.dump_id), integer(self.has_dumper)]
        parts += map(string, (self.table_oid, self.oid, self.tag, self.desc))
        parts.append(integer(self.section))
        parts += map(string, (self.definition, self.drop_statement, self.copy_statement))
        parts += map(string, (self.namespace, self.tablespace, self.table_am))
        if header.version[:2] >= VERSION_RELKIND:
            parts.append(integer(self.relkind))
        parts += map(string, (self.owner, self.with_oids, *self.dependencies, None))
        parts += [bytes([self.offset_state]), self.offset]
        return b"".join(parts)


@dataclass(frozen=True)
class TableOfContents:
    """Header and entries, in the archive's order."""

    header: Header
    entries: tuple[TocEntry, ...]

    def encode(self) -> bytes:
        """Everything of an archive that comes before its data blocks."""
        count = encode_integer(len(self.entries), self.header.int_size)
        return b"".join(
            [self.header.encode(), count, *(entry.encode(self.header) for entry in self.entries)]
        )

    def with_entries(self, entries: Sequence[TocEntry]) -> Self:
        """The same header over other entries."""
        return replace(self, entries=tuple(entries))


def read_header(source: ArchiveInput) -> Header:
    """Read the header and set ``source.int_size`` from it.

    Raises:
        ArchiveError: not a custom-format archive, or of a version we do not know.
    """
    if source.exactly(len(MAGIC)) != MAGIC:
        raise ArchiveError("not a pg_dump custom-format archive: it does not begin with PGDMP")
    major, minor, revision, int_size, offset_size, kind = source.exactly(6)
    version = (major, minor, revision)
    if not OLDEST_VERSION <= version[:2] <= NEWEST_VERSION:
        raise ArchiveError(
            f"archive version {major}.{minor} is not supported "
            "(1.14 to 1.16, PostgreSQL 12 to 18, are)"
        )
    if kind != FORMAT_CUSTOM:
        raise ArchiveError(f"not a custom-format archive: its format number is {kind}, not 1")
    if int_size not in (4, 8) or offset_size not in (4, 8):
        raise ArchiveError(f"the archive is damaged: integers of {int_size} bytes")
    source.int_size = int_size
    compression = source.byte() if version[:2] >= VERSION_COMPRESSION_BYTE else source.integer()
    return Header(
        version=version,
        int_size=int_size,
        offset_size=offset_size,
        compression=compression,
        created=tuple(source.integer() for _ in range(7)),
        database=source.string(),
        server_version=source.string(),
        tool_version=source.string(),
    )


def _read_entry(source: ArchiveInput, header: Header) -> TocEntry:
    source.mark()
    dump_id, has_dumper = source.integer(), source.integer()
    table_oid, oid, tag, desc = source.strings(4)
    section = source.integer()
    definition, drop_statement, copy_statement, namespace, tablespace, table_am = source.strings(6)
    relkind = source.integer() if header.version[:2] >= VERSION_RELKIND else 0
    owner, with_oids, dependency = source.strings(3)
    dependencies = []
    while dependency is not None:
        dependencies.append(dependency)
        dependency = source.string()
    offset_state, offset = source.byte(), source.exactly(header.offset_size)
    return TocEntry(
        dump_id,
        has_dumper,
        table_oid,
        oid,
        tag,
        desc,
        section,
        definition,
        drop_statement,
        copy_statement,
        namespace,
        tablespace,
        table_am,
        relkind,
        owner,
        with_oids,
        tuple(dependencies),
        offset_state,
        offset,
        source.since_mark(),
    )


def read_toc(stream: Readable) -> tuple[ArchiveInput, TableOfContents]:
    """Read header and table of contents; the stream is left at the first data block.

    Raises:
        ArchiveError: not an archive we can read, or cut short.
    """
    source = ArchiveInput(stream)
    header = read_header(source)
    count = source.integer()
    if count < 0:
        raise ArchiveError(f"the archive is damaged: {count} entries")
    entries = []
    for _ in range(count):
        entry = _read_entry(source, header)
        for number in (entry.table_oid, entry.oid, *entry.dependencies):
            if number is not None and not (number.isdigit() and len(number) <= LONGEST_NUMBER):
                raise ArchiveError(f"the archive is damaged: {number[:20]!r} is not a number")
        entries.append(entry)
    return source, TableOfContents(header, tuple(entries))
