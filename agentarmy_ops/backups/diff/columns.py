"""Columns and primary keys of tables, out of an archive's table of contents.

Names stay as pg_dump wrote them, quoted where they must be, so that they can be asked for.
"""

import re
from dataclasses import dataclass

from agentarmy_ops.archive.fingerprint import text
from agentarmy_ops.archive.toc import TableOfContents
from agentarmy_ops.errors import ArchiveError

_ID = {b"id": rb'(?:"(?:[^"]|"")*"|[^\s".,;()]+)'}
_COLUMN = re.compile(_ID[b"id"])
_COPY = re.compile(
    rb"COPY (%(id)s\.%(id)s)\s+(?:\((%(id)s(?:, %(id)s)*)\)\s+)?FROM stdin;\s*" % _ID
)
# What does not look so (PostgreSQL 18 knows WITHOUT OVERLAPS) is no key to tell rows apart by.
_PRIMARY_KEY = re.compile(
    rb"ALTER TABLE (?:ONLY )?(%(id)s\.%(id)s)\s+"
    rb"ADD CONSTRAINT %(id)s PRIMARY KEY \((%(id)s(?:, %(id)s)*)\)" % _ID
)


@dataclass(frozen=True)
class Columns:
    """One table: its qualified name, its columns in the order of its rows, its primary key."""

    table: bytes
    names: tuple[bytes, ...]
    key: tuple[bytes, ...]


def columns_of(toc: TableOfContents) -> dict[str, Columns]:
    """Every table with rows, by name. The archive must be of one schema.

    Raises:
        ArchiveError: a COPY statement is not one.
    """
    keys = {}
    for entry in toc.entries:
        if entry.desc == b"CONSTRAINT" and (found := _PRIMARY_KEY.match(entry.definition or b"")):
            keys[found.group(1)] = _names(found.group(2))
    tables = {}
    for entry in toc.entries:
        if entry.copy_statement:
            found = _COPY.fullmatch(entry.copy_statement)
            if not found:
                raise ArchiveError(f"the archive is damaged: no COPY statement of {entry.tag!r}")
            table = found.group(1)
            tables[text(entry.tag)] = Columns(table, _names(found.group(2)), keys.get(table, ()))
    return tables


def _names(listed: bytes | None) -> tuple[bytes, ...]:
    return tuple(_COLUMN.findall(listed or b""))


def plain_name(name: bytes) -> str:
    """A column's name as people know it, without quotes."""
    return text(name[1:-1].replace(b'""', b'"') if name.startswith(b'"') else name)
