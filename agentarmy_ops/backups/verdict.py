"""What a verification found: a write-once object beside the backup it is about."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from agentarmy_ops.archive.difference import Difference
from agentarmy_ops.backups.reference import BackupRef, parse_verification
from agentarmy_ops.errors import ArchiveError


class Status(StrEnum):
    """``verified``: restoring gives the same archive. ``failed``: the backup is bad, make
    another. ``error``: nothing was found out, try again; never stored."""

    VERIFIED = "verified"
    FAILED = "failed"
    ERROR = "error"


class Verdict(BaseModel):
    """The result of verifying one backup. ``restore_seconds`` is the measured time from the
    first byte read from the store to the end of pg_restore: the proven recovery time, measured
    while other restores run. ``dump_seconds`` is the time of the second dump; of one that several
    tenants share, the same part for each. ``rewritten`` names definitions that PostgreSQL prints
    in other words once it has read its own (casts, parentheses, order of columns), and from then on
    in the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    verification_id: str
    slug: str | None
    backup_id: str
    status: Status
    causes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    rewritten: tuple[str, ...] = ()
    started_at: datetime
    finished_at: datetime
    restore_seconds: NonNegativeFloat | None = None
    dump_seconds: NonNegativeFloat | None = None
    archive_sha256: str | None = None
    scratch_server_version: str | None = None
    tool_version: str | None = None
    platform_backup_id: str | None = None
    run_id: str | None = None

    @property
    def ref(self) -> BackupRef:
        """The backup this is about."""
        return BackupRef(self.slug, self.backup_id)

    @property
    def summary(self) -> str:
        """One line: why it is not verified, or that it is."""
        if self.status is Status.VERIFIED:
            return "verified"
        shown = "; ".join(str(difference) for difference in self.differences[:3])
        more = len(self.differences) - 3
        rest = f"; and {more} more" if more > 0 else ""
        return ": ".join(part for part in ("; ".join(self.causes), shown + rest) if part)

    def encode(self) -> bytes:
        """The bytes of ``verification-{id}.{status}.json``."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def read_verdict(name: str, data: bytes) -> Verdict:
    """Parse a verdict object and check that it is the verdict that its name says.

    Raises:
        ArchiveError: it is not one, or one on another backup or of another status than its name
            says, which is what listings show.
    """
    try:
        verdict = Verdict.model_validate_json(data)
    except ValidationError:
        raise ArchiveError(f"{name} is not a verdict of this version") from None
    folder, _, leaf = name.rpartition("/")
    named = parse_verification(leaf)
    if named and named[1] not in (None, verdict.status):
        raise ArchiveError(
            f"{name} holds the verdict {verdict.status}, which is not what its name says; do not "
            "trust it, and verify the backup again"
        )
    if (named and named[0], f"{folder}/") != (verdict.verification_id, verdict.ref.prefix):
        raise ArchiveError(f"{name} holds the verdict on another backup: {verdict.ref}")
    return verdict
