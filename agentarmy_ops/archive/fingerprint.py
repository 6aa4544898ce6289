"""What an archive holds, in a form two archives can be compared by."""

import hashlib
import json
from collections.abc import Iterable
from operator import attrgetter

from pydantic import BaseModel, ConfigDict

from agentarmy_ops.archive.canonical import canonical_definition
from agentarmy_ops.archive.toc import TocEntry

_line = json.JSONEncoder(separators=(",", ":")).encode


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


def entry_fingerprint(entry: TocEntry) -> EntryFingerprint:
    """What is compared of an entry."""
    definition = canonical_definition(entry.desc, entry.definition or b"")
    if entry.copy_statement:
        definition += entry.copy_statement
    return EntryFingerprint(
        desc=text(entry.desc),
        namespace=text(entry.namespace),
        tag=text(entry.tag),
        owner=text(entry.owner),
        sha256=hashlib.sha256(definition).hexdigest(),
    )


_entry_fields = attrgetter("desc", "namespace", "tag", "owner", "sha256")
_table_fields = attrgetter("namespace", "table", "rows", "bytes", "sha256")


def fingerprint(
    entries: Iterable[EntryFingerprint], tables: Iterable[TableFingerprint]
) -> Fingerprint:
    """The fingerprint of an archive with these entries and tables."""
    ordered_entries = tuple(sorted(entries, key=_entry_fields))
    ordered_tables = tuple(sorted(tables, key=attrgetter("namespace", "table")))
    digest = hashlib.sha256()
    for values in (*map(_entry_fields, ordered_entries), *map(_table_fields, ordered_tables)):
        digest.update(_line(values).encode() + b"\n")
    return Fingerprint(sha256=digest.hexdigest(), entries=ordered_entries, tables=ordered_tables)
