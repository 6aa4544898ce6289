"""From a store's URL to the store."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.stores.names import is_name

if TYPE_CHECKING:
    from google.cloud.storage import Client

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def open_store(
    url: str, *, name: str = "BACKUP_STORE_URL", gcs_client: "Callable[[], Client] | None" = None
) -> Store:
    """The store at ``file:///path``, at a plain absolute path, or at ``gs://bucket/prefix``.

    ``gcs_client`` makes the client of a ``gs://`` store; by default one with Application
    Default Credentials. Nothing is asked of the store itself yet.

    Raises:
        ConfigurationError: the URL is of another kind; the message names the setting ``name``
            and the kinds there are.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "gs":
        return LocalStore(path_of_url(url, name=name, also="gs://bucket/prefix"))
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket) or (prefix and not is_name(prefix)):
        raise ConfigurationError(
            f"{name} does not name a bucket; write it as gs://bucket or gs://bucket/prefix"
        )
    # The client takes half a second to import: only who keeps backups there waits for it.
    from agentarmy_ops.stores.gcs import GcsStore, default_client  # noqa: PLC0415

    return GcsStore(bucket, prefix, make_client=gcs_client or default_client)
