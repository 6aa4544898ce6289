"""What is written of an offboarding: objects in the backup store, each written once."""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from agentarmy_ops.backups.manifest import Sha256


class BackupsMode(StrEnum):
    """What becomes of a tenant's backups when it is erased. ``shred``: the key that decrypts them
    is destroyed, and what is readable without it is deleted."""

    KEEP = "keep"
    SHRED = "shred"
    DELETE = "delete"

    def goes_beyond(self, other: "BackupsMode") -> bool:
        """Whether it erases more than another."""
        order = [*BackupsMode]
        return order.index(self) > order.index(other)


class Fate(StrEnum):
    """What became of a secret or a backup. ``shredded``: it is there, and nobody can decrypt it;
    ``held``: the store did not let all of it go."""

    KEPT = "kept"
    SHREDDED = "shredded"
    DESTROYED = "destroyed"
    DELETED = "deleted"
    HELD = "held"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def encode(self) -> bytes:
        """The bytes of the object."""
        return self.model_dump_json(indent=1).encode() + b"\n"


class Request(_Record):
    """A tenant is to be erased, not before ``erase_after``. ``was_active`` is what a cancellation
    brings back."""

    format_version: Literal[1] = 1
    offboarding_id: str
    slug: str
    tenant_id: UUID
    requested_at: datetime
    erase_after: datetime
    backup_id: str
    verification_id: str
    was_active: bool
    backups_mode: BackupsMode
    run_id: str | None


class Cancellation(_Record):
    """The request counts no more."""

    format_version: Literal[1] = 1
    offboarding_id: str
    slug: str
    tenant_id: UUID
    cancelled_at: datetime
    is_active: bool
    run_id: str | None


class ErasedTable(_Record):
    """Rows of a table; ``sha256`` is that of what ``COPY … TO STDOUT`` gave."""

    table: str
    rows: NonNegativeInt
    sha256: Sha256


class FinalBackup(_Record):
    """The verified backup that held just what was erased. ``manifest_sha256`` is that of the
    object ``manifest.json``, ``definitions_sha256`` that of the fingerprint's entries."""

    backup_id: str
    verification_id: str
    taken_at: datetime
    manifest_sha256: Sha256
    archive_sha256: Sha256
    fingerprint_sha256: Sha256
    definitions_sha256: Sha256
    definitions: NonNegativeInt
    tables: tuple[ErasedTable, ...]


class ErasedSecret(_Record):
    """A secret of the tenant, and its versions; never a value."""

    identifier: str
    versions: tuple[str, ...]
    fate: Fate


class ErasedBackup(_Record):
    """A backup, or what an interrupted one left (no ``archive_sha256``), and its fate.
    ``recipients`` are public keys of whoever could decrypt it."""

    backup_id: str
    archive_sha256: Sha256 | None
    recipients: tuple[str, ...]
    fate: Fate
    why: str = ""


class Erasing(_Record):
    """What an erasure is about to erase: written before the first of it is gone, for afterwards
    nobody can look it up.

    ``follows`` is the certificate of an earlier erasure that this one goes beyond, for backups;
    ``final`` is then the same, and schemas and registry row were gone before.
    """

    format_version: Literal[1] = 1
    erasing_id: str
    offboarding_id: str
    slug: str
    tenant_id: UUID
    requested_at: datetime
    erase_after: datetime
    began_at: datetime
    follows: str | None
    database: str
    role: str
    schemas: tuple[str, ...]
    registry_row: str | None
    final: FinalBackup
    redis_keys: NonNegativeInt | None
    secrets: tuple[ErasedSecret, ...]
    backups_mode: BackupsMode
    backups: tuple[ErasedBackup, ...]
    run_id: str | None


class Certificate(Erasing):
    """What was erased. ``not_erased`` are objects that the store holds; ``complete`` says that
    there are none."""

    certificate_id: str
    complete: bool
    certified_at: datetime
    not_erased: tuple[str, ...]
