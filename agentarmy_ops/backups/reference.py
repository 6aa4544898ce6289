"""The name of a backup and of its objects in the store."""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.tenants.slug import validate_slug

_STAMP = "%Y%m%dT%H%M%SZ"
_BACKUP_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_VERIFICATION = re.compile(rf"verification-({_BACKUP_ID.pattern})(?:\.(verified|failed))?\.json")
TENANTS = "tenants/"
PLATFORM = "platform/"
# Records of tenants that were offboarded: no backups.
OFFBOARDING = "offboarding/"
MANIFEST = "manifest.json"
ARCHIVE = "archive.dump.zst"
ENCRYPTED_ARCHIVE = f"{ARCHIVE}.age"


def new_id(now: datetime | None = None) -> str:
    """A unique identifier that sorts by time: ``20261123T021503Z-7f3a9c`` is UTC to the second,
    three digits for 1/4096 of it, and three at random."""
    moment = now or datetime.now(UTC)
    fraction = moment.microsecond * 4096 // 1_000_000
    return f"{moment.strftime(_STAMP)}-{fraction:03x}{secrets.randbelow(4096):03x}"


def validate_backup_id(backup_id: str) -> str:
    """Return ``backup_id`` if it is one.

    Raises:
        InvalidInputError: it is not.
    """
    try:
        if _BACKUP_ID.fullmatch(backup_id):
            time_of(backup_id)
            return backup_id
    except ValueError:  # the 32nd of a month
        pass
    raise InvalidInputError(
        f"{backup_id!r} is not a backup id; they look like 20261123T021503Z-7f3a9c "
        "(see 'agentarmy-ops backups list')"
    )


def time_of(backup_id: str) -> datetime:
    """When a backup was begun (UTC, to the second), by the clock of the machine that made it.

    Raises:
        ValueError: it is not a backup id.
    """
    stamp, _, _ = backup_id.partition("-")
    return datetime.fromisoformat(stamp)


def parse_verification(leaf: str) -> tuple[str, str | None] | None:
    """Id and status of the verdict that an object with this last part of a name is; the status is
    None where the name does not say it. None: it is no verdict."""
    found = _VERIFICATION.fullmatch(leaf)
    return (found[1], found[2]) if found else None


@dataclass(frozen=True, order=True)
class BackupRef:
    """One backup of a tenant or, where ``slug`` is None, of the platform part."""

    slug: str | None
    backup_id: str

    @classmethod
    def new(cls, slug: str | None, now: datetime | None = None) -> Self:
        """The reference of a backup that is about to be made."""
        return cls(slug if slug is None else validate_slug(slug), new_id(now))

    @property
    def owner(self) -> str:
        """Whose backup it is, for people: the slug, or ``platform``."""
        return self.slug or "platform"

    @property
    def prefix(self) -> str:
        """What the names of its objects begin with."""
        return f"{owner_prefix(self.slug)}{self.backup_id}/"

    @property
    def archive(self) -> str:
        """The object that holds the archive when it is not encrypted."""
        return self.prefix + ARCHIVE

    @property
    def encrypted_archive(self) -> str:
        """The object that holds the archive when it is encrypted."""
        return self.prefix + ENCRYPTED_ARCHIVE

    @property
    def manifest(self) -> str:
        """The object whose existence makes the backup complete."""
        return self.prefix + MANIFEST

    def verification(self, verification_id: str, status: str) -> str:
        """The object of one verdict on it. Its name says the status, so that a listing shows
        whether a backup is verified and no verdict has to be read for it."""
        return f"{self.prefix}verification-{verification_id}.{status}.json"

    def __str__(self) -> str:
        return f"{self.owner}/{self.backup_id}"


def owner_prefix(slug: str | None) -> str:
    """What the names of all backups of a tenant (None: of the platform) begin with."""
    return PLATFORM if slug is None else f"{TENANTS}{validate_slug(slug)}/"
