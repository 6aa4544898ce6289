"""Read an archive to its end and say what it holds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agentarmy_ops.archive.data import DataBlock, Sink, ignore, read_blocks
from agentarmy_ops.archive.fingerprint import (
    EntryFingerprint,
    Fingerprint,
    TableFingerprint,
    entry_fingerprint,
    fingerprint,
    text,
)
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.archive.rows import read_block
from agentarmy_ops.archive.toc import TableOfContents, TocEntry, read_toc
from agentarmy_ops.errors import ArchiveError

# Entries about the database that holds the schemas, not about what is in them.
_DATABASE_DESCS = frozenset({b"DATABASE", b"DATABASE PROPERTIES"})
ATTACHED_DESCS = frozenset({b"ACL", b"COMMENT", b"SECURITY LABEL"})


def is_about_database(entry: TocEntry) -> bool:
    """Whether an entry is about the database the schemas are in; fingerprints leave it out."""
    if entry.desc in _DATABASE_DESCS:
        return True
    return entry.desc in ATTACHED_DESCS and (entry.tag or b"").startswith(b"DATABASE ")


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


class Describer:
    """Describes an archive while its data blocks go by."""

    def __init__(self, toc: TableOfContents) -> None:
        self._toc = toc
        self._waiting = {entry.dump_id: entry for entry in toc.entries if entry.has_dumper}
        self._tables: list[TableFingerprint] = []

    def take(self, block: DataBlock, sink: Sink) -> list[TableFingerprint]:
        """Read a block to its end, showing its bytes to ``sink``; returns what is in it.

        Raises:
            ArchiveError: it belongs to no entry, was there before, or is damaged.
        """
        entry = self._waiting.get(block.dump_id)
        if entry is None:
            raise unexpected(block)
        tables = list(read_block(entry, block, sink))
        self.took(block.dump_id, tables)
        return tables

    def took(self, dump_id: int, tables: Iterable[TableFingerprint]) -> None:
        """Take the data of an entry as read by another describer."""
        del self._waiting[dump_id]
        self._tables += tables

    @property
    def is_complete(self) -> bool:
        """Whether all data that the table of contents announces was there."""
        return not self._waiting

    def finish(self) -> Description:
        """What the archive holds.

        Raises:
            ArchiveError: data is missing.
        """
        for entry in self._waiting.values():
            raise ArchiveError(
                "the archive is cut short: no data of "
                f"{text(entry.namespace)}.{text(entry.tag)} ({text(entry.desc)})"
            )
        return Description(self._toc, fingerprint(_entries(self._toc.entries), self._tables))


def unexpected(block: DataBlock) -> ArchiveError:
    """The error of a block that belongs to no entry, or was there before."""
    return ArchiveError(
        f"the archive is damaged: data of entry {block.dump_id}, which expects none"
    )


def _entries(entries: Iterable[TocEntry]) -> Iterator[EntryFingerprint]:
    return (entry_fingerprint(entry) for entry in entries if not is_about_database(entry))


def describe(stream: Readable) -> Description:
    """Read an archive (``pg_dump -Fc -Z0``) to its end, in constant memory for its data.

    Raises:
        ArchiveError: not such an archive, damaged, or cut short.
    """
    source, toc = read_toc(stream)
    describer = Describer(toc)
    for block in read_blocks(source, toc.header):
        describer.take(block, ignore)
    return describer.finish()
