"""The secrets that a process knows, to be found in whatever it is about to show."""

from urllib.parse import urlsplit

from pydantic import SecretStr

from agentarmy_ops.settings import Settings


def known_secrets(settings: Settings) -> set[str]:
    """What the settings hold that must never leave: each secret, and the passwords in URLs."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    secrets = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
    parts = {part for secret in secrets for part in secret.split()}
    return {found for text in secrets | parts for found in (text, _password(text)) if found}


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
