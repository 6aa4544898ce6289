"""What every secrets store can do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

# Slugs have no underscore, so no tenant's secret is ever called like this.
_PLATFORM_PART = "platform_part"


def secret_id(slug: str | None, name: str) -> str:
    """The identifier of a tenant's secret: ``acme`` + ``admin-password`` gives
    ``acme-admin-password``. No slug stands for the platform part: ``platform_part-backup-key``.
    """
    return f"{_PLATFORM_PART if slug is None else slug}-{name}"


@dataclass(frozen=True)
class Secret:
    """One version of a secret. Versions are positive numbers, counted from 1."""

    identifier: str
    version: str
    value: SecretStr


class SecretsStore(Protocol):
    """Secrets by identifier, each in versions. Raises
    :class:`~agentarmy_ops.errors.SecretError` when it fails.

    A value is text of 1 to 65,536 bytes of UTF-8. The number of a destroyed version is not
    given out again; after :meth:`delete` they begin anew.
    """

    def get(self, identifier: str) -> SecretStr:
        """The newest version of the secret.

        Raises:
            SecretNotFoundError: there is none.
        """
        ...

    def access(self, identifier: str, version: str | None = None) -> Secret:
        """One version of the secret, the newest that is not destroyed where none is named.

        Raises:
            SecretNotFoundError: there is none, or it was destroyed.
        """
        ...

    def set(self, identifier: str, value: SecretStr) -> str:
        """Store a new version of the secret; returns which."""
        ...

    def create(self, identifier: str, value: SecretStr) -> str:
        """Store the first version of the secret; returns which.

        Raises:
            SecretExistsError: it has one already, maybe since a moment ago; nothing was stored.
        """
        ...

    def versions(self, identifier: str) -> Sequence[str]:
        """Versions that can be accessed, oldest first; none of a secret that is not there."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Identifiers that begin with ``prefix``, in order; also of secrets whose versions are
        all destroyed, until they are deleted."""
        ...

    def destroy(self, identifier: str, version: str) -> None:
        """Erase one version for good; no error when it is gone already."""
        ...

    def delete(self, identifier: str) -> None:
        """Erase the secret with all its versions; no error when there is none."""
        ...
