"""The keys archives are encrypted to, and those that decrypt them.

A tenant's key is an age identity in the secret ``{slug}-backup-key``; its public half, the
recipient, is what archives are encrypted to. Only the newest version of the secret is encrypted
to; each version decrypts what was encrypted while it was the newest.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyrage.x25519 import Identity

from agentarmy_ops.backups.keys_format import (
    check_recipient,
    new_identity,
    parse_identities,
    read_identities,
)
from agentarmy_ops.backups.manifest import Encryption
from agentarmy_ops.errors import (
    ConfigurationError,
    OpsError,
    SecretError,
    SecretExistsError,
    SecretNotFoundError,
)
from agentarmy_ops.secrets.base import Secret, SecretsStore, secret_id
from agentarmy_ops.secrets.tenant_secrets import BACKUP_KEY

# At a time; a cloud's store takes tens of milliseconds for each.
_ACCESSES = 16
# When so many in a row cannot be had, and none could, it is the store that is at fault.
_HOPELESS = 32


def key_secret(slug: str | None) -> str:
    """The secret that holds the key of a tenant's backups, or (None) the platform part's."""
    return secret_id(slug, BACKUP_KEY)


@dataclass(frozen=True)
class Keys:
    """Where backup keys are kept. Without a secrets store, nothing is encrypted or decrypted.

    ``recovery_recipient`` is an age recipient that can decrypt every archive that is written.
    ``identity_file`` has identities, as age-keygen writes them, that are used in place of the
    secrets to decrypt.

    Raises:
        ConfigurationError: the recovery recipient is none.
    """

    secrets: SecretsStore | None = None
    encrypts: bool = False
    recovery_recipient: str | None = None
    identity_file: Path | None = None

    def __post_init__(self) -> None:
        if self.recovery_recipient is not None:
            check_recipient(self.recovery_recipient, name="BACKUP_RECOVERY_RECIPIENT")

    def encryption(self, slug: str | None) -> Encryption | None:
        """How an archive that is made now is encrypted; None: not at all. A key is made for
        whoever has none.

        Raises:
            SecretError: the key cannot be had, or is not one.
        """
        if not self.encrypts:
            return None
        secret = self._newest(slug)
        recipient = recipient_of(secret)
        recovery = () if self.recovery_recipient is None else (self.recovery_recipient,)
        return Encryption(
            recipients=tuple(dict.fromkeys((recipient, *recovery))),
            secret=secret.identifier,
            version=secret.version,
        )

    def encryptions(self, slugs: Sequence[str]) -> dict[str, Encryption | OpsError | None]:
        """:meth:`encryption` of many tenants, several at a time; its error in place of what it
        cannot return. When nobody's key can be had, not all are asked for: each takes a while."""
        if not self.encrypts:
            return dict.fromkeys(slugs)
        had: list[bool] = []

        def look_up(slug: str) -> Encryption | OpsError | None:
            if len(had) >= _HOPELESS and not any(had):
                return SecretError(
                    f"tenant {slug} was not backed up, for the keys of {len(had)} others could "
                    "not be had; see their errors, and check the secrets store"
                )
            try:
                encryption = self.encryption(slug)
            except OpsError as error:
                had.append(False)
                return error
            had.append(True)
            return encryption

        with ThreadPoolExecutor(_ACCESSES, "keys") as pool:
            return dict(zip(slugs, pool.map(look_up, slugs), strict=True))

    def identities(self, encryption: Encryption) -> list[Identity]:
        """What decrypts an archive: of the identity file if there is one, else of the secrets.

        Raises:
            SecretNotFoundError: the secret, or that version of it, is gone.
            SecretError: what there is decrypts another archive, or is no key.
        """
        if self.identity_file:
            found, source = read_identities(self.identity_file), str(self.identity_file)
        else:
            source = f"secret {encryption.secret} version {encryption.version}"
            found = parse_identities(self._version(encryption).value, source)
        fitting = [one for one in found if str(one.to_public()) in encryption.recipients]
        if not fitting:
            raise SecretError(
                f"{source} is not a key of this archive, which is encrypted to "
                f"{' and '.join(encryption.recipients)}; restore the secret as it was, or decrypt "
                "with the recovery identity: --identity-file"
            )
        return fitting

    def rotate(self, slug: str | None) -> tuple[str, str]:
        """Make a new key; archives made from now on are encrypted to it. The version of the
        secret, and the recipient.

        Raises:
            SecretError: it cannot be stored.
        """
        identity, text = new_identity()
        version = self.store.set(key_secret(slug), text)
        return version, str(identity.to_public())

    @property
    def store(self) -> SecretsStore:
        """Where keys are kept.

        Raises:
            ConfigurationError: nowhere.
        """
        if self.secrets is None:
            raise ConfigurationError(
                "backup keys are kept in the secrets store, and there is none; set "
                "SECRETS_STORE_URL, or name a file with the identity: --identity-file"
            )
        return self.secrets

    def _newest(self, slug: str | None) -> Secret:
        identifier = key_secret(slug)
        with suppress(SecretNotFoundError):
            return self.store.access(identifier)
        version = None
        with suppress(SecretExistsError):  # another process has just made it
            version = self.store.create(identifier, new_identity()[1])
        # As it is kept, not as it was sent: what is encrypted to can be decrypted again. By its
        # number, for which is the newest may be known in the whole cloud a little later only.
        return self.store.access(identifier, version)

    def _version(self, encryption: Encryption) -> Secret:
        try:
            return self.store.access(encryption.secret, encryption.version)
        except SecretNotFoundError as error:
            raise SecretNotFoundError(
                f"{error}; restore it, or decrypt with the recovery identity: --identity-file"
            ) from None


def recipient_of(secret: Secret) -> str:
    """The public half of a key.

    Raises:
        SecretError: it is not one age identity.
    """
    name = f"secret {secret.identifier} version {secret.version}"
    identities = parse_identities(secret.value, name)
    if len(identities) != 1:
        raise SecretError(f"{name} holds {len(identities)} age identities, not one; rotate it")
    return str(identities[0].to_public())
