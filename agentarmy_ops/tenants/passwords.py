"""Passwords of tenants' admin users."""

import secrets

from argon2 import PasswordHasher
from pydantic import SecretStr

from agentarmy_ops.errors import InvalidInputError

MINIMUM_LENGTH = 12  # characters

_hasher = PasswordHasher()  # argon2id with the library's parameters (RFC 9106, low memory)


def hash_password(password: SecretStr) -> str:
    """The argon2id hash of ``password``, in the usual ``$argon2id$...`` form."""
    return _hasher.hash(password.get_secret_value())


def generate_password() -> SecretStr:
    """A new random password: 24 bytes of entropy in 32 characters."""
    return SecretStr(secrets.token_urlsafe(24))


def check_password(password: SecretStr) -> SecretStr:
    """Return ``password`` if it is long enough.

    Raises:
        InvalidInputError: it is shorter than 12 characters, or not text; it is not shown.
    """
    value = password.get_secret_value()
    if len(value) < MINIMUM_LENGTH:
        raise InvalidInputError(
            f"the admin password is too short: give at least {MINIMUM_LENGTH} characters, or "
            "none to have one generated"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            "the admin password is not valid UTF-8 text; give another"
        ) from None
    return password
