"""Tell a dump of the same objects, printed in other words, from a dump of other objects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agentarmy_ops.archive.canonical import canonical_definition, says_the_same
from agentarmy_ops.archive.describe import Description, is_about_database
from agentarmy_ops.archive.fingerprint import text
from agentarmy_ops.archive.toc import TocEntry

_Key = tuple[bytes | None, bytes | None, bytes | None, bytes | None]


@dataclass(frozen=True)
class Reprint:
    """How the second of two dumps of the same objects was printed otherwise.

    ``definitions`` names the entries; ``copies`` are the first dump's COPY statements of the
    tables whose columns come in another order, by (namespace, table): what these give must be
    compared before the rows can be said to be the same.
    """

    definitions: tuple[str, ...]
    copies: Mapping[tuple[str, str], bytes]


def _entries(description: Description) -> dict[_Key, list[TocEntry]]:
    groups: dict[_Key, list[TocEntry]] = {}
    for entry in description.toc.entries:
        if is_about_database(entry):
            continue  # differs by the database's name
        key = (entry.desc, entry.namespace, entry.tag, entry.owner)
        groups.setdefault(key, []).append(entry)
    return groups


def _printed(entry: TocEntry) -> tuple[bytes, bytes]:
    definition = canonical_definition(entry.desc, entry.definition or b"")
    return definition, entry.copy_statement or b""


def _reworded(first: Description, again: Description) -> Iterator[TocEntry | None]:
    """Entries of ``first`` that ``again`` words otherwise; None for one that says otherwise."""
    before, after = _entries(first), _entries(again)
    for key, old in before.items():
        new = after.get(key, [])
        for one, other in zip(old, new, strict=True):
            if _printed(one) == _printed(other):
                continue
            same = says_the_same(one.definition or b"", other.definition or b"") and says_the_same(
                one.copy_statement or b"", other.copy_statement or b""
            )
            yield one if same else None


def find_reprint(first: Description, again: Description) -> Reprint | None:
    """How ``again`` prints the objects of ``first`` otherwise; None when it holds other objects,
    owners, numbers of rows, or rows that no other column order explains.

    The caller must have found ``again`` to be what a dump of its own restore gives once more.
    """

    def names(description: Description) -> list[tuple[str, ...]]:
        fingerprint = description.fingerprint
        entries = [(e.desc, e.namespace, e.tag, e.owner) for e in fingerprint.entries]
        tables = [(t.namespace, t.table, str(t.rows)) for t in fingerprint.tables]
        return sorted([*entries, *tables])

    if names(first) != names(again):
        return None
    reworded = list(_reworded(first, again))
    copies = {
        (text(entry.namespace), text(entry.tag)): entry.copy_statement
        for entry in reworded
        if entry and entry.copy_statement
    }
    unexplained = {
        (one.namespace, one.table)
        for one, other in zip(first.fingerprint.tables, again.fingerprint.tables, strict=True)
        if one != other
    } - copies.keys()
    if None in reworded or unexplained:
        return None
    definitions = (
        " ".join(part for part in map(text, (entry.desc, entry.namespace, entry.tag)) if part)
        for entry in reworded
        if entry
    )
    return Reprint(tuple(sorted(definitions)), copies)
