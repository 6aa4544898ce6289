"""What every secrets store can do."""

from typing import Protocol

from pydantic import SecretStr


def secret_id(slug: str, name: str) -> str:
    """The identifier of a tenant's secret: ``acme`` + ``admin-password`` gives
    ``acme-admin-password``."""
    return f"{slug}-{name}"


class SecretsStore(Protocol):
    """Secrets by identifier. Raises :class:`~agentarmy_ops.errors.SecretError` when it fails."""

    def get(self, identifier: str) -> SecretStr:
        """The newest version of the secret.

        Raises:
            SecretNotFoundError: there is none.
        """
        ...

    def set(self, identifier: str, value: SecretStr) -> None:
        """Store a new version of the secret."""
        ...

    def delete(self, identifier: str) -> None:
        """Remove the secret; no error when there is none."""
        ...
