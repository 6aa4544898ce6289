"""The keys archives are encrypted to, and those that decrypt them."""

from dataclasses import dataclass

from agentarmy_ops.secrets.base import SecretsStore


@dataclass(frozen=True)
class Keys:
    """Where backup keys are kept. Without a secrets store, nothing is encrypted or decrypted.

    ``recovery_recipient`` is an age recipient that can decrypt every archive that is written.
    """

    secrets: SecretsStore | None = None
    encrypts: bool = False
    recovery_recipient: str | None = None
