"""Can secrets be read and written?"""

from collections.abc import Iterator

from agentarmy_ops.doctor.disk import check_writable
from agentarmy_ops.doctor.finding import Finding, ok
from agentarmy_ops.errors import SecretNotFoundError
from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.secrets.base import SecretsStore, secret_id
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.secrets.tenant_secrets import BACKUP_KEY


def check_secrets_store(store: SecretsStore, url: str) -> Iterator[Finding]:
    """A local folder is ours alone and can be written to. Of another store, the key that every
    backup of the platform part is encrypted to is asked for; that it was not made yet is no flaw.

    Raises:
        SecretError: it cannot be reached, or we may not read that secret.
    """
    if isinstance(store, LocalSecretsStore):
        path = path_of_url(url, name="SECRETS_STORE_URL")
        yield from check_writable("secrets-store", path, private=True)
        return
    try:
        store.get(secret_id(None, BACKUP_KEY))
    except SecretNotFoundError:
        yield ok("secrets-store", f"{url} answers; it holds no key of the platform part yet")
    else:
        yield ok("secrets-store", f"{url} answers, and may be read")
