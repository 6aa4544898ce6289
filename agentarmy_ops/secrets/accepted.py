"""What a store takes as identifier, version and value of a secret.

Both stores take what Secret Manager takes, so that secrets can be moved from one to the other.
"""

import re

from pydantic import SecretStr

from agentarmy_ops.errors import SecretError

# At most 255 in Secret Manager; a file's name needs room for more than the identifier.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
VERSION = re.compile(r"[1-9][0-9]{0,9}")
# https://cloud.google.com/secret-manager/quotas: the size of a payload. It refuses empty ones.
_LARGEST = 64 * 1024


def check_identifier(identifier: str) -> None:
    """Raise :class:`~agentarmy_ops.errors.SecretError` where it is none."""
    if not _IDENTIFIER.fullmatch(identifier):
        raise SecretError(
            f"{identifier!r} is not a secret's identifier: use up to 200 letters, digits, "
            "hyphens and underscores, such as acme-admin-password"
        )


def check_prefix(prefix: str) -> None:
    """Raise :class:`~agentarmy_ops.errors.SecretError` where no identifier can begin so."""
    if prefix:
        check_identifier(prefix)


def check_version(identifier: str, version: str) -> None:
    """Raise :class:`~agentarmy_ops.errors.SecretError` where it is none."""
    if not VERSION.fullmatch(version):
        raise SecretError(
            f"{version!r} is not a version of secret {identifier}: versions are numbers from 1"
        )


def encode(identifier: str, value: SecretStr) -> bytes:
    """The value as UTF-8, 1 to 65,536 bytes.

    Raises:
        SecretError: it cannot be a secret's value; the message shows nothing of it.
    """
    try:
        data = value.get_secret_value().encode()
    except UnicodeEncodeError:
        # Its text would show a part of the value; so would the chain of exceptions.
        raise SecretError(f"secret {identifier} is not text; set another value") from None
    if not 1 <= len(data) <= _LARGEST:
        raise SecretError(
            f"secret {identifier} would be of {len(data)} bytes; set a value of 1 to {_LARGEST}"
        )
    return data


def decode(identifier: str, version: str, data: bytes) -> SecretStr:
    """The value of what was read.

    Raises:
        SecretError: it is not UTF-8; the message shows nothing of it.
    """
    try:
        return SecretStr(data.decode())
    except UnicodeDecodeError:
        raise SecretError(
            f"secret {identifier}, version {version}, is not UTF-8; set it again"
        ) from None
