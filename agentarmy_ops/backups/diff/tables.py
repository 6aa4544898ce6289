"""Compare the rows of one table, archived and live."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agentarmy_ops.archive.fingerprint import TableFingerprint
from agentarmy_ops.backups.diff.columns import Columns, plain_name
from agentarmy_ops.backups.diff.digests import (
    Digester,
    DigestFile,
    Tally,
    compare_by_key,
    compare_whole,
    parts_for,
)
from agentarmy_ops.backups.diff.live import LiveTenant
from agentarmy_ops.backups.diff.report import Examples, Key, TableDiff
from agentarmy_ops.backups.diff.rows import picker, values


@dataclass
class TableComparison:
    """One table that both have, with other data.

    Rows are compared in the columns that both have, in the archive's order. They are told apart by
    their primary key if it is the same on both sides.
    """

    backup: TableFingerprint
    live: TableFingerprint
    archived: Columns
    now: Columns
    tally: Tally
    digest: Digester = field(default_factory=Digester)
    found: dict[str, list[Key]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = tuple(name for name in self.archived.names if name in self.now.names)
        self.key = self.archived.key if self.archived.key == self.now.key else ()

    @property
    def has_nothing_in_common(self) -> bool:
        """Whether no column is left to compare; every row is another one then."""
        return not self.columns and bool(self.archived.names or self.now.names)

    def count(self, archived: Iterable[bytes], live: LiveTenant) -> None:
        """Compare the rows of the archive with those of the live table."""
        parts = parts_for(max(self.backup.rows, self.live.rows))
        with DigestFile(parts) as before, DigestFile(parts) as after:
            self._collect(before, archived, self.archived.names)
            self._collect(after, live.rows(self.now.table, self.columns), self.columns)
            compare = compare_by_key if self.key else compare_whole
            compare(before, after, parts, self.tally)

    def _collect(self, file: DigestFile, rows: Iterable[bytes], columns: tuple[bytes, ...]) -> None:
        whole = picker(columns, self.columns)
        file.collect(rows, self.digest, picker(columns, self.key) if self.key else whole, whole)

    @property
    def needs_archive_again(self) -> bool:
        """Whether keys of removed rows are wanted: in the archive only."""
        return bool(self.key and self.tally.removed.keys)

    def find_archived_keys(self, rows: Iterable[bytes]) -> None:
        """Find the keys of removed rows among the archive's."""
        pick = picker(self.archived.names, self.key)
        self._find(("removed",), (pick(row) for row in rows))

    def find_live_keys(self, live: LiveTenant) -> None:
        """Find the keys of added and changed rows in the live table."""
        if self.key and (self.tally.added.keys or self.tally.changed.keys):
            self._find(("added", "changed"), live.rows(self.now.table, self.key))

    def _find(self, kinds: tuple[str, ...], keys: Iterator[bytes]) -> None:
        wanted = {
            digest: self.found.setdefault(kind, [])
            for kind in kinds
            for digest in getattr(self.tally, kind).keys
        }
        names = [plain_name(name) for name in self.key]
        for key in keys:
            if (found := wanted.get(self.digest(key))) is not None:
                found.append(dict(zip(names, values(key), strict=True)))

    def result(self) -> TableDiff:
        """What was found."""
        disjoint = self.has_nothing_in_common
        return TableDiff(
            table=self.backup.table,
            backup_rows=self.backup.rows,
            live_rows=self.live.rows,
            added=self.live.rows if disjoint else self.tally.added.count,
            removed=self.backup.rows if disjoint else self.tally.removed.count,
            changed=self.tally.changed.count,
            key=tuple(map(plain_name, self.key)),
            columns_added=_without(self.now.names, self.archived.names),
            columns_removed=_without(self.archived.names, self.now.names),
            examples=Examples(**{kind: tuple(keys) for kind, keys in self.found.items()}),
        )


def _without(names: tuple[bytes, ...], others: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(plain_name(name) for name in names if name not in others)


def one_sided(backup: TableFingerprint | None, live: TableFingerprint | None) -> TableDiff:
    """A table that only the backup, or only the live tenant, has."""
    return TableDiff(
        table=(backup or live).table,  # type: ignore[union-attr]
        backup_rows=backup.rows if backup else None,
        live_rows=live.rows if live else None,
        added=live.rows if live else 0,
        removed=backup.rows if backup else 0,
        changed=0,
    )
