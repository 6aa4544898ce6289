"""The one exception tree.

Every error an operator can meet is an :class:`OpsError`; its message is one line that says
what happened, to which tenant, and what to do next. Anything else that escapes is a bug.
"""


class OpsError(Exception):
    """Base of all errors this package raises on purpose.

    ``exit_code`` is what the CLI exits with; the codes are listed in ``docs/cli.md``.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConfigurationError(OpsError):
    """A setting is missing or wrong."""

    exit_code = 2


class InvalidInputError(OpsError):
    """A value given by the operator is not acceptable (slug, e-mail, backup id, ...)."""

    exit_code = 2


class TenantNotFoundError(OpsError):
    """No such tenant in ``shared.tenants``."""

    exit_code = 3


class TenantBusyError(OpsError):
    """Another operation holds the tenant's advisory lock."""

    exit_code = 4


class DatabaseError(OpsError):
    """PostgreSQL refused or could not be reached."""


class ClientToolError(OpsError):
    """A PostgreSQL client program is missing, of the wrong major, or failed."""


class TableLockedError(ClientToolError):
    """A client program waited in vain for a table that another session has locked."""


class ProvisioningError(OpsError):
    """A tenant could not be provisioned; nothing was changed."""


class BackupError(OpsError):
    """A backup could not be made; no manifest was written."""


class BackupRefusedError(BackupError):
    """The tenant holds something a schema dump would lose; it is named in the message."""


class BackupNotFoundError(OpsError):
    """No such backup, or no complete one."""

    exit_code = 3


class ArchiveError(OpsError):
    """The bytes are not a pg_dump custom-format archive we can read, or are cut short."""


class PlacementError(ArchiveError):
    """An archive of many schemas holds something that belongs to none of them, or to several."""


class StoreError(OpsError):
    """The backup store could not be read or written."""


class ObjectExistsError(StoreError):
    """Create-only: the object is already there and was left as it is."""


class ObjectNotFoundError(StoreError):
    """The object is not in the store."""


class ObjectHeldError(StoreError):
    """The object may not be deleted: a hold or a retention policy of the store protects it."""


class SecretError(OpsError):
    """The secrets store could not be read or written."""


class SecretNotFoundError(SecretError):
    """No such secret."""

    exit_code = 3


class RestoreError(OpsError):
    """A restore failed and was rolled back; the tenant is as it was."""

    exit_code = 7


class RestoreRefusedError(RestoreError):
    """A restore was refused before anything was touched."""

    exit_code = 8


class OffboardingError(OpsError):
    """An offboarding stopped half-way; asked for again, it goes on from there."""

    exit_code = 10


class OffboardingRefusedError(OffboardingError):
    """An offboarding was refused before anything was touched."""

    exit_code = 8


class SecretExistsError(SecretError):
    """Create-only: the secret is already there and was left as it is."""


class VerificationError(OpsError):
    """No verdict could be reached (the backup may be good): try again."""

    exit_code = 6


class RunLaunchError(OpsError):
    """A run could not be started where runs go."""
