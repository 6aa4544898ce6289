"""What a diff found."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

Key = dict[str, str]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Change(StrEnum):
    """What happened to an object since the backup.

    One is ``reworded`` if its definition differs in nothing but casts, parentheses, spaces and
    order. PostgreSQL prints some definitions so after a restore, with nothing changed in them;
    but a person can make such a change, too, so it counts as a difference.
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    REWORDED = "reworded"


class DefinitionChange(_Model):
    """One object: e.g. ``changed``, ``VIEW tenant_acme.active_users``."""

    change: Change
    what: str
    detail: str = ""


class Examples(_Model):
    """Some of the primary keys behind the numbers: values by column, and nothing else of a row."""

    added: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()
    changed: tuple[Key, ...] = ()


class TableDiff(_Model):
    """The rows of one table.

    ``backup_rows`` is None for a table that is not in the backup, ``live_rows`` for one that is
    not there any more. ``key`` are the columns rows were told apart by; without, they were
    compared whole, and a changed row is one removed and one added. Columns that only one side has
    were left out of the comparison.
    """

    table: str
    backup_rows: int | None
    live_rows: int | None
    added: int
    removed: int
    changed: int
    key: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    examples: Examples = Examples()

    @property
    def differs(self) -> bool:
        """Whether anything in it has changed, but the order of its rows and columns."""
        one_sided = self.backup_rows is None or self.live_rows is None
        columns = self.columns_added or self.columns_removed
        return bool(one_sided or columns or self.added or self.removed or self.changed)


class TenantDiff(_Model):
    """The live tenant against one of its backups.

    ``sequences`` are those with another value; ``tables`` are those that differ, and
    ``same_tables`` is how many do not.
    """

    slug: str
    backup_id: str
    backup_taken_at: datetime
    live_taken_at: datetime
    backup_server_version: str
    live_server_version: str
    definitions: tuple[DefinitionChange, ...]
    sequences: tuple[str, ...]
    tables: tuple[TableDiff, ...]
    same_tables: int

    @property
    def differs(self) -> bool:
        """Whether anything has changed."""
        return bool(self.definitions or self.sequences or self.tables)
