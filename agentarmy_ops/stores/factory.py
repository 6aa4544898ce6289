"""From a store's URL to the store."""

from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.local import LocalStore


def open_store(url: str, *, name: str = "BACKUP_STORE_URL") -> Store:
    """The store at ``file:///path``, or at a plain absolute path.

    Raises:
        ConfigurationError: the URL is of another kind; the message names the setting ``name``
            and the kinds there are.
    """
    return LocalStore(path_of_url(url, name=name))
