"""Identities and recipients as text: the file that age-keygen writes, and age reads.

Nothing here shows any of an identity.
"""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pyrage
from pydantic import SecretStr
from pyrage.x25519 import Identity, Recipient

from agentarmy_ops.errors import ConfigurationError, InvalidInputError, SecretError
from agentarmy_ops.localfiles import explain

_CREATED = "# created: "
_MOST_BYTES = 1 << 20


def new_identity(now: datetime | None = None) -> tuple[Identity, SecretStr]:
    """A new identity, and its file."""
    identity = Identity.generate()
    created = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = (f"{_CREATED}{created}", f"# public key: {identity.to_public()}", str(identity))
    return identity, SecretStr("".join(f"{line}\n" for line in lines))


def parse_identities(value: SecretStr, source: str) -> list[Identity]:
    """The identities of a file; lines that are empty or begin with ``#`` are left out.

    Raises:
        SecretError: there is none, or something else; the message names ``source``.
    """
    lines = (line.strip() for line in value.get_secret_value().splitlines())
    wanted = [line for line in lines if line and not line.startswith("#")]
    try:
        identities = [Identity.from_str(line) for line in wanted]
    except pyrage.IdentityError:
        identities = []
    if not identities:
        raise SecretError(
            f"{source} does not hold what age-keygen writes: lines of AGE-SECRET-KEY-1…"
        ) from None
    return identities


def read_identities(path: Path) -> list[Identity]:
    """The identities of a file on disk.

    Raises:
        InvalidInputError: it cannot be read.
        SecretError: there is none in it, or something else.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode()
    except OSError as error:
        raise InvalidInputError(f"cannot read identity file {path}: {explain(error)}") from None
    except UnicodeDecodeError:
        text = ""  # age's own encrypted or binary files
    return parse_identities(SecretStr(text), f"identity file {path}")


def is_open_to_others(path: Path) -> bool:
    """Whether users other than the file's owner may read it."""
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def created_at(value: SecretStr) -> datetime | None:
    """When the identity of a file was made, as its first comment says; None: it does not say."""
    for line in value.get_secret_value().splitlines():
        if line.startswith(_CREATED):
            try:
                moment = datetime.fromisoformat(line.removeprefix(_CREATED).strip())
            except ValueError:
                return None
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def check_recipient(text: str, *, name: str) -> str:
    """Return ``text`` if it is an age recipient.

    Raises:
        ConfigurationError: it is not. The message names the setting ``name`` and does not show the
            value: it may be an identity.
    """
    try:
        return str(Recipient.from_str(text))
    except pyrage.RecipientError:
        raise ConfigurationError(
            f"{name} is not an age recipient, which begins with age1; take the one that "
            "'age-keygen -y' prints of its identity"
        ) from None
