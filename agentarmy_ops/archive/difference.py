"""How two fingerprints differ, named so that a person knows where to look."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from agentarmy_ops.archive.fingerprint import EntryFingerprint, Fingerprint, TableFingerprint


class DifferenceKind(StrEnum):
    """What happened to an object or a table's data between the expected and the actual."""

    MISSING = "missing"
    UNEXPECTED = "unexpected"
    CHANGED = "changed"


class Difference(BaseModel):
    """One difference: e.g. ``changed``, ``TABLE DATA tenant_acme.users``, ``sha256 of rows``."""

    model_config = ConfigDict(frozen=True)

    kind: DifferenceKind
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.kind}{f' ({self.detail})' if self.detail else ''}"


def entry_name(desc: str, namespace: str, tag: str) -> str:
    """An entry as people know it: ``POLICY tenant_acme.users tenant_isolation``."""
    return f"{desc} {namespace}.{tag}" if namespace else f"{desc} {tag}"


def _entry_differences(expected: Fingerprint, actual: Fingerprint) -> Iterator[Difference]:
    # Several entries may carry one name (grants on a table and on its columns).
    def grouped(fingerprint: Fingerprint) -> dict[tuple[str, str, str], list[EntryFingerprint]]:
        groups: dict[tuple[str, str, str], list[EntryFingerprint]] = defaultdict(list)
        for entry in fingerprint.entries:
            groups[entry.desc, entry.namespace, entry.tag].append(entry)
        return groups

    before, after = grouped(expected), grouped(actual)
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, []), after.get(key, [])
        if Counter(old) == Counter(new):
            continue
        what = entry_name(*key)
        if len(old) > len(new):
            yield Difference(kind=DifferenceKind.MISSING, what=what)
        elif len(old) < len(new):
            yield Difference(kind=DifferenceKind.UNEXPECTED, what=what)
        else:
            owners = sorted(e.owner for e in old), sorted(e.owner for e in new)
            detail = (
                "definition"
                if owners[0] == owners[1]
                else f"owner {', '.join(owners[0])} -> {', '.join(owners[1])}"
            )
            yield Difference(kind=DifferenceKind.CHANGED, what=what, detail=detail)


def _table_differences(expected: Fingerprint, actual: Fingerprint) -> Iterator[Difference]:
    def by_name(fingerprint: Fingerprint) -> dict[tuple[str, str], TableFingerprint]:
        return {(table.namespace, table.table): table for table in fingerprint.tables}

    before, after = by_name(expected), by_name(actual)
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        what = entry_name("data of", *key)
        if old is None or new is None:
            kind = DifferenceKind.MISSING if new is None else DifferenceKind.UNEXPECTED
            yield Difference(kind=kind, what=what)
        elif old != new:
            detail = (
                f"rows {old.rows} -> {new.rows}"
                if old.rows != new.rows
                else f"{old.rows} rows, other content"
            )
            yield Difference(kind=DifferenceKind.CHANGED, what=what, detail=detail)


def differences(expected: Fingerprint, actual: Fingerprint) -> list[Difference]:
    """Everything that differs, objects first, then data; empty when the two are equal."""
    return [*_entry_differences(expected, actual), *_table_differences(expected, actual)]
