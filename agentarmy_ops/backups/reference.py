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
TENANTS = "tenants/"
PLATFORM = "platform/"
MANIFEST = "manifest.json"
ARCHIVE = "archive.dump.zst"
VERIFICATION_PREFIX = "verification-"


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
    if not _BACKUP_ID.fullmatch(backup_id):
        raise InvalidInputError(
            f"{backup_id!r} is not a backup id; they look like 20261123T021503Z-7f3a9c "
            "(see 'agentarmy-ops backups list')"
        )
    return backup_id


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
        """The object that holds the archive."""
        return self.prefix + ARCHIVE

    @property
    def manifest(self) -> str:
        """The object whose existence makes the backup complete."""
        return self.prefix + MANIFEST

    def verification(self, verification_id: str) -> str:
        """The object of one verdict on it."""
        return f"{self.prefix}{VERIFICATION_PREFIX}{verification_id}.json"

    def __str__(self) -> str:
        return f"{self.owner}/{self.backup_id}"


def owner_prefix(slug: str | None) -> str:
    """What the names of all backups of a tenant (None: of the platform) begin with."""
    return PLATFORM if slug is None else f"{TENANTS}{validate_slug(slug)}/"
