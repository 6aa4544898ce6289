"""Which schema each entry of an archive of many schemas belongs to."""

import re
from collections.abc import Collection, Mapping

from agentarmy_ops.archive.describe import ATTACHED_DESCS, is_about_database
from agentarmy_ops.archive.fingerprint import text
from agentarmy_ops.archive.toc import TableOfContents, TocEntry
from agentarmy_ops.errors import PlacementError

# What every archive begins with, and large objects, which belong to no schema.
_SHARED_DESCS = frozenset(
    {b"ENCODING", b"STDSTRINGS", b"SEARCHPATH"}
    | {b"BLOB", b"BLOBS", b"BLOB METADATA", b"BLOB COMMENTS"}
)
# How pg_dump tags what is attached to a schema or to large objects (dumpACL, dumpComment and
# dumpSecLabel in pg_dump.c). The schemas' names here never need quotes; a quoted one is taken too.
_ATTACHED = re.compile(rb'(SCHEMA|LARGE OBJECTS?) (?:"((?:[^"]|"")*)"|(.*))', re.DOTALL)

Placement = Mapping[str, tuple[TocEntry, ...]]


def place_entries(toc: TableOfContents, schemas: Collection[str]) -> Placement:
    """The entries of each schema's own archive, in the archive's order, for the schemas that are
    in it; what belongs to no schema goes to all of them.

    An entry is placed by what it says of itself (its namespace, the schema it is or is attached
    to); only one that names no schema is placed with what it depends on.

    Raises:
        PlacementError: an entry belongs to none or to several of the schemas, which it names.
    """
    names = {schema.encode(): schema for schema in schemas}
    everywhere: set[int] = set()
    owners: dict[int, str] = {}
    waiting: list[TocEntry] = []
    for entry in toc.entries:
        namespace = _own_namespace(entry)
        if namespace in names:
            owners[entry.dump_id] = names[namespace]
        elif namespace is not None:
            # It is of another schema, even where, as a view, it depends on one of these.
            raise _unplaced(entry)
        elif _is_shared(entry):
            everywhere.add(entry.dump_id)
        else:
            waiting.append(entry)
    _place_with_dependencies(waiting, owners)
    _refuse_crossing(toc, owners)
    placed: dict[str, list[TocEntry]] = {
        names[entry.tag]: []
        for entry in toc.entries
        if entry.desc == b"SCHEMA" and entry.tag in names
    }
    for entry in toc.entries:
        if entry.dump_id in everywhere:
            for entries in placed.values():
                entries.append(entry)
        elif (owner := owners[entry.dump_id]) in placed:
            placed[owner].append(entry)
        else:
            raise PlacementError(f"{_name(entry)} is of schema {owner}, which is not there")
    return {schema: tuple(entries) for schema, entries in placed.items()}


def _own_namespace(entry: TocEntry) -> bytes | None:
    """The schema that an entry says it is in, is, or is attached to."""
    if entry.namespace:
        return entry.namespace
    if entry.desc == b"SCHEMA":
        return entry.tag
    if entry.desc in ATTACHED_DESCS and (found := _ATTACHED.fullmatch(entry.tag or b"")):
        kind, quoted, plain = found.groups()
        if kind == b"SCHEMA":
            return plain if quoted is None else bytes(quoted).replace(b'""', b'"')
    return None


def _is_shared(entry: TocEntry) -> bool:
    if entry.desc in _SHARED_DESCS or is_about_database(entry):
        return True
    return entry.desc in ATTACHED_DESCS and (entry.tag or b"").startswith(b"LARGE OBJECT")


def _place_with_dependencies(waiting: list[TocEntry], owners: dict[int, str]) -> None:
    """Place entries that say nothing of themselves; one may depend on another of them."""
    while waiting:
        left = []
        for entry in waiting:
            found = {owners[int(dep)] for dep in entry.dependencies if int(dep) in owners}
            if len(found) == 1:
                owners[entry.dump_id] = found.pop()
            else:
                left.append(entry)
        if len(left) == len(waiting):
            raise _unplaced(left[0])
        waiting = left


def _refuse_crossing(toc: TableOfContents, owners: Mapping[int, str]) -> None:
    """An archive must not depend on what is only in another."""
    for entry in toc.entries:
        owner = owners.get(entry.dump_id)
        for dependency in entry.dependencies:
            other = owners.get(int(dependency), owner)
            if owner is not None and other != owner:
                raise PlacementError(f"{_name(entry)} of {owner} depends on schema {other}")


def _unplaced(entry: TocEntry) -> PlacementError:
    return PlacementError(f"{_name(entry)} belongs to none or several of the schemas of its dump")


def _name(entry: TocEntry) -> str:
    parts = (entry.desc, entry.namespace, entry.tag)
    return " ".join(text(part) for part in parts if part)
