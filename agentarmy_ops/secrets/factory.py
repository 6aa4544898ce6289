"""From a secrets store's URL to the store."""

import re

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.secrets.local import LocalSecretsStore

# An id, also one with a domain before it, or a number.
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[1-9][0-9]*")


def open_secrets_store(url: str, *, name: str = "SECRETS_STORE_URL") -> SecretsStore:
    """The secrets store at ``file:///path``, at a plain absolute path, or at ``sm://project``,
    which is Google Secret Manager. Nothing is asked of it yet.

    Raises:
        ConfigurationError: the URL is of another kind; the message names the setting ``name``
            and the kinds there are.
    """
    scheme, separator, project = url.partition("://")
    if not separator or scheme.lower() != "sm":
        return LocalSecretsStore(path_of_url(url, name=name, also="sm://project"))
    if not _PROJECT.fullmatch(project):
        raise ConfigurationError(
            f"{name} does not name a Google Cloud project; write it as sm://project-id"
        )
    # Takes a quarter of a second, which who keeps secrets elsewhere need not pay.
    from agentarmy_ops.secrets.secret_manager import GoogleSecretManagerStore  # noqa: PLC0415

    return GoogleSecretManagerStore(project)
