"""From a secrets store's URL to the store."""

from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.secrets.local import LocalSecretsStore


def open_secrets_store(url: str, *, name: str = "SECRETS_STORE_URL") -> SecretsStore:
    """The secrets store at ``file:///path``, or at a plain absolute path.

    Raises:
        ConfigurationError: the URL is of another kind; the message names the setting ``name``
            and the kinds there are.
    """
    return LocalSecretsStore(path_of_url(url, name=name))
