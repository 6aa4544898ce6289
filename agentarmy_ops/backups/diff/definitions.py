"""What has changed in the definitions of a tenant's objects."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from agentarmy_ops.archive.canonical import says_the_same
from agentarmy_ops.archive.difference import Difference, DifferenceKind, differences, entry_name
from agentarmy_ops.archive.fingerprint import EntryFingerprint, Fingerprint, text
from agentarmy_ops.archive.toc import TableOfContents
from agentarmy_ops.backups.diff.report import Change, DefinitionChange

_CHANGES = {
    DifferenceKind.UNEXPECTED: Change.ADDED,
    DifferenceKind.MISSING: Change.REMOVED,
    DifferenceKind.CHANGED: Change.CHANGED,
}
_SEQUENCE_VALUE = "SEQUENCE SET"
# The columns of a table's rows are those of the table, which has its own entry.
_NOT_DEFINITIONS = frozenset({"TABLE DATA", _SEQUENCE_VALUE})


def changed_definitions(backup: Fingerprint, live: Fingerprint) -> list[DefinitionChange]:
    """Every object that was added, removed, or is defined or owned otherwise."""

    def is_definition(entry: EntryFingerprint) -> bool:
        return entry.desc not in _NOT_DEFINITIONS

    return [
        DefinitionChange(change=_CHANGES[one.kind], what=one.what, detail=one.detail)
        for one in _differences(backup, live, is_definition)
    ]


def changed_sequences(backup: Fingerprint, live: Fingerprint) -> list[str]:
    """Sequences of both that have another value; what they are called, as in the archive."""

    def is_value(entry: EntryFingerprint) -> bool:
        return entry.desc == _SEQUENCE_VALUE

    return [
        one.what.removeprefix(f"{_SEQUENCE_VALUE} ")
        for one in _differences(backup, live, is_value)
        if one.kind is DifferenceKind.CHANGED
    ]


def _differences(
    backup: Fingerprint, live: Fingerprint, wanted: Callable[[EntryFingerprint], bool]
) -> list[Difference]:
    def part(fingerprint: Fingerprint) -> Fingerprint:
        entries = tuple(entry for entry in fingerprint.entries if wanted(entry))
        return fingerprint.model_copy(update={"entries": entries, "tables": ()})

    return differences(part(backup), part(live))


def tell_reworded(
    changes: list[DefinitionChange], backup: TableOfContents, live: TableOfContents
) -> Iterator[DefinitionChange]:
    """The same changes, those set apart in which the words stayed the same."""
    before, after = _definitions(backup), _definitions(live)
    for one in changes:
        is_text = one.change is Change.CHANGED and one.detail == "definition"
        if is_text and says_the_same(before[one.what], after[one.what]):
            detail = "casts, parentheses, spaces or order"
            yield DefinitionChange(change=Change.REWORDED, what=one.what, detail=detail)
        else:
            yield one


def _definitions(toc: TableOfContents) -> dict[str, bytes]:
    """The text of all entries of a name."""
    found: dict[str, bytes] = defaultdict(bytes)
    for entry in toc.entries:
        name = entry_name(text(entry.desc), text(entry.namespace), text(entry.tag))
        found[name] += (entry.definition or b"") + b"\n"
    return found
