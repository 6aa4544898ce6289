"""What prune decided and did, backup by backup."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agentarmy_ops.backups.folders import BackupFolder
from agentarmy_ops.backups.reference import BackupRef, time_of
from agentarmy_ops.backups.retention import Decision
from agentarmy_ops.errors import OpsError


class Action(StrEnum):
    """What becomes of a backup. ``remove`` is what would be ``removed`` if the plan were applied;
    ``held``: no rule keeps it, but the store does not let it go for now; ``failed``: it was to be
    removed and the store failed."""

    KEEP = "keep"
    REMOVE = "remove"
    REMOVED = "removed"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True)
class Item:
    """A backup, or what an interrupted one left (``complete`` is False), and its fate."""

    ref: BackupRef
    stored_bytes: int
    complete: bool
    action: Action
    why: str

    @property
    def begun_at(self) -> datetime:
        """When the backup was begun."""
        return time_of(self.ref.backup_id)

    @property
    def freed_bytes(self) -> int:
        """What its removal frees, or would free."""
        return self.stored_bytes if self.action in (Action.REMOVE, Action.REMOVED) else 0


@dataclass(frozen=True)
class Pruned:
    """What became of all backups of a tenant (None: of the platform part), newest first.

    ``error`` is why not all was done; ``listed`` is False when not even the backups are known.
    """

    slug: str | None
    items: tuple[Item, ...] = ()
    error: OpsError | None = None
    listed: bool = True

    @property
    def owner(self) -> str:
        """Whose, for people."""
        return self.slug or "platform"

    @property
    def remaining(self) -> list[BackupRef]:
        """Complete backups that are there afterwards, or would be."""
        gone = (Action.REMOVE, Action.REMOVED)
        return [item.ref for item in self.items if item.complete and item.action not in gone]

    def count(self, *actions: Action) -> int:
        """How many have one of these fates."""
        return sum(item.action in actions for item in self.items)

    @property
    def freed_bytes(self) -> int:
        """What was freed, or would be."""
        return sum(item.freed_bytes for item in self.items)


def item_of(decision: Decision) -> Item:
    """The fate that retention decided on."""
    entry = decision.entry
    action = Action.KEEP if decision.keep else Action.REMOVE
    why = ", ".join(decision.reasons) or "no rule keeps it"
    return Item(entry.ref, entry.stored_bytes, True, action, why)


def leftover_of(folder: BackupFolder) -> Item:
    """The fate of what an interrupted backup, or an interrupted removal, left."""
    return Item(folder.ref, folder.stored_bytes, False, Action.REMOVE, "left by an interruption")
