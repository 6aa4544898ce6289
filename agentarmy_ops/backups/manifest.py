"""The manifest: what a backup is, written last. Without it there is no backup."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError

from agentarmy_ops.archive.fingerprint import Fingerprint
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.errors import ArchiveError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TenantFacts(_Model):
    """The tenant's registry row as the backup's snapshot shows it."""

    id: UUID
    slug: str
    name: str
    schema_name: str


class SnapshotFacts(_Model):
    """The moment and the database the archive shows."""

    taken_at: datetime
    lsn: str
    server_version: str
    tool_version: str
    database: str
    encoding: str
    collate: str
    ctype: str
    lc_monetary: str

    @property
    def server_major(self) -> int:
        """The server's PostgreSQL major."""
        return int(self.server_version.split(".")[0])


class Encryption(_Model):
    """How an archive is encrypted. ``recipients`` are public keys, the owner's own first; the
    identity that decrypts it is version ``version`` of the secret ``secret``."""

    scheme: Literal["age"] = "age"
    recipients: Annotated[tuple[str, ...], Field(min_length=1)]
    secret: str
    version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")]


class ArchiveFacts(_Model):
    """The stored archive: ``sha256`` and ``stored_bytes`` are of the object as it lies in the
    store, ``plain_bytes`` is the length pg_restore reads after decompression."""

    object_name: str
    plain_bytes: NonNegativeInt
    stored_bytes: NonNegativeInt
    sha256: Sha256
    compression: Literal["zstd"]
    encryption: Encryption | None = None

    @property
    def ratio(self) -> float:
        """Plain bytes per stored byte."""
        return self.plain_bytes / self.stored_bytes if self.stored_bytes else 0.0


class OutsideObject(_Model):
    """An object outside the tenant's schema, as ``pg_identify_object`` names it."""

    type: str
    identity: str

    def __str__(self) -> str:
        return f"{self.type} {self.identity}"


class Role(_Model):
    """A role that owns, is granted, or is named by a policy of, something in the archive.

    One that sees through row-level security must do so where the archive is restored: as the
    owner of a materialized view it fills it.
    """

    name: str
    bypasses_rls: bool


class Needs(_Model):
    """What a server must have before the archive can be restored into it."""

    extensions: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    outside_objects: tuple[OutsideObject, ...] = ()


class TableSecurity(_Model):
    """Row-level security of one table."""

    table: str
    enabled: bool
    forced: bool
    policies: tuple[str, ...]


class Manifest(_Model):
    """One complete backup. ``tenant`` is None for the platform part.

    ``left_out`` names objects that are in no archive of this backup because they belong to no
    schema, or to another, and sit on this tenant's objects (casts, publications, ...).
    """

    format_version: Literal[1] = 1
    backup_id: str
    tenant: TenantFacts | None
    started_at: datetime
    finished_at: datetime
    backup_seconds: NonNegativeFloat
    snapshot: SnapshotFacts
    archive: ArchiveFacts
    fingerprint: Fingerprint
    needs: Needs
    row_level_security: tuple[TableSecurity, ...]
    not_valid: tuple[str, ...]
    left_out: tuple[OutsideObject, ...]
    run_id: str | None

    @property
    def ref(self) -> BackupRef:
        """The backup's name."""
        return BackupRef(self.tenant.slug if self.tenant else None, self.backup_id)

    def encode(self) -> bytes:
        """The bytes of ``manifest.json``."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def read_manifest(ref: BackupRef, data: bytes) -> Manifest:
    """Parse ``manifest.json`` of the backup ``ref`` and check that it is that backup's.

    Raises:
        ArchiveError: it is not a manifest, or one of another backup or tenant.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArchiveError(
            f"{ref.manifest} is not a manifest of this version: {where}: {first['msg']}"
        ) from None
    if manifest.ref != ref:
        raise ArchiveError(f"{ref.manifest} is the manifest of another backup: {manifest.ref}")
    archive = ref.encrypted_archive if manifest.archive.encryption else ref.archive
    if manifest.archive.object_name != archive:
        raise ArchiveError(
            f"{ref.manifest} names an archive of another backup: {manifest.archive.object_name}"
        )
    return manifest
