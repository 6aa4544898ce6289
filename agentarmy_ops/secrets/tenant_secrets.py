"""Which secrets are a tenant's: those that go when it goes, and no neighbour's."""

from collections.abc import Iterable, Iterator

from agentarmy_ops.secrets.base import SecretsStore, secret_id

ADMIN_PASSWORD = "admin-password"  # noqa: S105 - the name of the secret
BACKUP_KEY = "backup-key"
# None of them may be the end of another behind a hyphen, or a name could be read in two ways.
_OUR_NAMES = (ADMIN_PASSWORD, BACKUP_KEY)


def tenant_secrets(store: SecretsStore, slug: str, other_slugs: Iterable[str]) -> Iterator[str]:
    """Identifiers of the tenant's secrets in the store, in order. ``other_slugs`` are those of
    all other tenants that have secrets, disabled ones too.

    ``acme-corp-token`` is tenant ``acme``'s ``corp-token`` or ``acme-corp``'s ``token``:
    where ``acme-corp`` is a tenant it is its own. What ends like one of our own names is decided
    by that alone: ``acme-corp-backup-key`` is never ``acme``'s, for a tenant that is gone may
    have left backups that need it, and ``acme-backup-key`` is ``acme``'s even if
    there is a tenant ``acme-backup``.
    """
    others = [f"{other}-" for other in other_slugs if other.startswith(f"{slug}-")]
    for identifier in store.list(f"{slug}-"):
        ours = [name for name in _OUR_NAMES if identifier.endswith(f"-{name}")]
        if ours:
            if identifier == secret_id(slug, ours[0]):
                yield identifier
        elif not identifier.startswith(tuple(others)):
            yield identifier
