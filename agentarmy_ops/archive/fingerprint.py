"""What an archive holds, in a form two archives can be compared by."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from agentarmy_ops.archive.canonical import canonical_definition
from agentarmy_ops.archive.data import DataBlock, read_blocks
from agentarmy_ops.archive.toc import TableOfContents, TocEntry, read_toc
from agentarmy_ops.errors import ArchiveError

# pg_dump ends each table's COPY data with this (dumpTableData_copy in pg_dump.c).
COPY_TERMINATOR = b"\\.\n\n\n"
_HASH_BYTES = 1 << 18
# Entries about the database that holds the schemas, not about what is in them.
_DATABASE_DESCS = frozenset({b"DATABASE", b"DATABASE PROPERTIES"})


class EntryFingerprint(BaseModel):
    """One entry of the table of contents. ``sha256`` is that of its definition, sets in it in a
    fixed order, or, for table data, of its COPY statement."""

    model_config = ConfigDict(frozen=True)

    desc: str
    namespace: str
    tag: str
    owner: str
    sha256: str


class TableFingerprint(BaseModel):
    """One table's data: rows, and bytes and sha256 of what ``COPY … TO STDOUT`` gives.

    For large objects ``table`` is the object's oid and ``rows`` is 0.
    """

    model_config = ConfigDict(frozen=True)

    namespace: str
    table: str
    rows: int
    bytes: int
    sha256: str


class Fingerprint(BaseModel):
    """Names, owners and definitions of an archive's objects, and their rows, in canonical order.

    Two archives with the same ``sha256`` hold the same objects, owners, grants and rows. Left out
    are dates, oids, dump ids, dependencies, the database's own entries, and where and by what
    access method a table is stored.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    entries: tuple[EntryFingerprint, ...]
    tables: tuple[TableFingerprint, ...]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


def text(value: bytes | None) -> str:
    """An archive's text for people and JSON; bytes that are not UTF-8 are shown escaped."""
    return "" if value is None else value.decode("utf-8", "backslashreplace")


def is_about_database(entry: TocEntry) -> bool:
    """Whether an entry is about the database the schemas are in; fingerprints leave it out."""
    if entry.desc in _DATABASE_DESCS:
        return True
    attached = entry.desc in (b"ACL", b"COMMENT", b"SECURITY LABEL")
    return attached and (entry.tag or b"").startswith(b"DATABASE ")


def _entry_fingerprint(entry: TocEntry) -> EntryFingerprint:
    definition = canonical_definition(entry.desc, entry.definition or b"")
    definition += entry.copy_statement or b""
    return EntryFingerprint(
        desc=text(entry.desc),
        namespace=text(entry.namespace),
        tag=text(entry.tag),
        owner=text(entry.owner),
        sha256=hashlib.sha256(definition).hexdigest(),
    )


def _hash_rows(chunks: Iterable[bytes], terminator: bytes) -> tuple[int, int, str]:
    """Rows, bytes and sha256 of the data before ``terminator``, which must end it."""
    digest, rows, size = hashlib.sha256(), 0, 0
    kept = len(terminator)
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if len(pending) >= _HASH_BYTES:
            # The end may be the terminator, so it waits for what follows.
            ready = memoryview(pending)[: len(pending) - kept]
            digest.update(ready)
            size += len(ready)
            ready.release()
            rows += pending.count(b"\n", 0, len(pending) - kept)
            del pending[: len(pending) - kept]
    if not pending.endswith(terminator):
        raise ArchiveError("the archive is damaged: table data does not end as COPY data does")
    last = bytes(pending[: len(pending) - kept])
    digest.update(last)
    return rows + last.count(b"\n"), size + len(last), digest.hexdigest()


def _table_fingerprint(entry: TocEntry, block: DataBlock) -> TableFingerprint:
    if block.object_oid:
        _, size, sha256 = _hash_rows(block.chunks, b"")
        return TableFingerprint(
            namespace="", table=str(block.object_oid), rows=0, bytes=size, sha256=sha256
        )
    rows, size, sha256 = _hash_rows(block.chunks, COPY_TERMINATOR)
    return TableFingerprint(
        namespace=text(entry.namespace), table=text(entry.tag), rows=rows, bytes=size, sha256=sha256
    )


def _summary(
    entries: Iterable[EntryFingerprint], tables: Iterable[TableFingerprint]
) -> Fingerprint:
    ordered_entries = tuple(
        sorted(entries, key=lambda e: (e.desc, e.namespace, e.tag, e.owner, e.sha256))
    )
    ordered_tables = tuple(sorted(tables, key=lambda t: (t.namespace, t.table)))
    digest = hashlib.sha256()
    for part in (*ordered_entries, *ordered_tables):
        line = json.dumps(list(part.model_dump().values()), separators=(",", ":"))
        digest.update(line.encode() + b"\n")
    return Fingerprint(sha256=digest.hexdigest(), entries=ordered_entries, tables=ordered_tables)


@dataclass(frozen=True)
class Description:
    """An archive that was read to its end: its table of contents and its fingerprint."""

    toc: TableOfContents
    fingerprint: Fingerprint

    @property
    def owners(self) -> frozenset[str]:
        """Roles that own something in the archive."""
        entries = (entry for entry in self.toc.entries if not is_about_database(entry))
        return frozenset(text(entry.owner) for entry in entries if entry.owner)


def _data_fingerprints(
    toc: TableOfContents, blocks: Iterator[DataBlock]
) -> Iterator[TableFingerprint]:
    waiting = {entry.dump_id: entry for entry in toc.entries if entry.has_dumper}
    seen: set[int] = set()
    for block in blocks:
        entry = waiting.get(block.dump_id)
        if entry is None or (block.dump_id in seen and not block.object_oid):
            raise ArchiveError(
                f"the archive is damaged: data of entry {block.dump_id}, which expects none"
            )
        seen.add(block.dump_id)
        yield _table_fingerprint(entry, block)
    for dump_id, entry in waiting.items():
        # Large objects: an entry of none leaves an empty block, which yields nothing here.
        if dump_id not in seen and entry.desc != b"BLOBS":
            raise ArchiveError(
                "the archive is cut short: no data of "
                f"{text(entry.namespace)}.{text(entry.tag)} ({text(entry.desc)})"
            )


def describe(stream: BinaryIO) -> Description:
    """Read an archive (``pg_dump -Fc -Z0``) to its end, in constant memory for its data.

    Raises:
        ArchiveError: not such an archive, damaged, or cut short.
    """
    source, toc = read_toc(stream)
    entries = [_entry_fingerprint(entry) for entry in toc.entries if not is_about_database(entry)]
    tables = list(_data_fingerprints(toc, read_blocks(source, toc.header)))
    return Description(toc, _summary(entries, tables))
