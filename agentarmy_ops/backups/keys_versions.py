"""Which versions of a key there are, which backups need them, and which nobody does."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from agentarmy_ops.backups.catalog import list_backups, load_manifest
from agentarmy_ops.backups.keys import Keys, key_secret, recipient_of
from agentarmy_ops.backups.keys_format import created_at
from agentarmy_ops.errors import (
    ArchiveError,
    BackupNotFoundError,
    InvalidInputError,
    SecretError,
    SecretNotFoundError,
)
from agentarmy_ops.secrets.tenant_secrets import BACKUP_KEY
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.slug import validate_slug

# A backup that was begun with the key before the newest has a manifest by then, or never gets one.
SETTLED = timedelta(days=1)


@dataclass(frozen=True)
class KeyVersion:
    """One version of a key: how many complete backups need it, and whether it is there still."""

    version: str
    backups: int
    is_there: bool


@dataclass(frozen=True)
class OwnersKey:
    """The key of a tenant (None: of the platform part), its versions oldest first, and the
    recipient of the newest. ``unreadable`` says of manifests, a line each, why they do not tell
    which version they need; ``unencrypted`` backups need none."""

    slug: str | None
    secret: str
    versions: tuple[KeyVersion, ...]
    recipient: str | None
    unencrypted: int
    unreadable: tuple[str, ...]

    @property
    def newest(self) -> str | None:
        """The version that backups are encrypted to now."""
        there = [one.version for one in self.versions if one.is_there]
        return there[-1] if there else None


def key_owners(keys: Keys) -> Iterator[str | None]:
    """Slugs that have a key, in order, and None at last if the platform part has one."""
    ending = f"-{BACKUP_KEY}"
    found = set(keys.store.list(""))
    for identifier in sorted(found):
        try:
            if identifier.endswith(ending):
                yield validate_slug(identifier.removesuffix(ending))
        except InvalidInputError:
            continue  # the platform part's, or somebody else's secret
    if key_secret(None) in found:
        yield None


def look_up_key(keys: Keys, store: Store, slug: str | None) -> OwnersKey:
    """The key of an owner, as the secrets store and the manifests of all its backups tell.

    Raises:
        SecretError: the secrets store failed.
        StoreError: the backup store failed.
    """
    secret = key_secret(slug)
    # Before the backups are looked at: one that is complete then needs none that is made later.
    there = list(keys.store.versions(secret))
    needed: Counter[str] = Counter()
    unencrypted, unreadable = 0, []
    for entry in list_backups(store, slug):
        try:
            encryption = load_manifest(store, entry.ref).archive.encryption
        except ArchiveError as error:
            unreadable.append(str(error))
        except BackupNotFoundError:
            continue  # pruned since
        else:
            if encryption is None:
                unencrypted += 1
            elif encryption.secret == secret:
                needed[encryption.version] += 1
            else:
                unreadable.append(
                    f"{entry.ref} is encrypted to another secret, {encryption.secret}"
                )
    versions = sorted({*there, *needed}, key=int)
    return OwnersKey(
        slug,
        secret,
        tuple(KeyVersion(one, needed[one], one in there) for one in versions),
        _recipient(keys, secret, there),
        unencrypted,
        tuple(unreadable),
    )


def _recipient(keys: Keys, secret: str, there: Sequence[str]) -> str | None:
    if not there:
        return None
    try:
        return recipient_of(keys.store.access(secret, there[-1]))
    except SecretNotFoundError:
        return None  # destroyed since


def unused_versions(keys: Keys, key: OwnersKey, now: datetime | None = None) -> list[str]:
    """Versions that no backup needs, nor any that is under way: the newest is not among them, nor
    one that was the newest within the last day.

    Raises:
        SecretError: it is not known which backups need which version, or the store failed.
    """
    if key.unreadable:
        raise SecretError(
            f"it is not known which versions of {key.secret} are needed: {key.unreadable[0]}; "
            "remove that backup, or restore its manifest, first"
        )
    there = [one for one in key.versions if one.is_there]
    unused = []
    for one, successor in pairwise(there):
        if one.backups == 0 and _is_settled(keys, key.secret, successor, now or datetime.now(UTC)):
            unused.append(one.version)
    return unused


def _is_settled(keys: Keys, secret: str, successor: KeyVersion, now: datetime) -> bool:
    """Whether a version was replaced more than a day ago. One that does not say when it was made
    was not made by us: nobody knows."""
    made = created_at(keys.store.access(secret, successor.version).value)
    return made is not None and now - made > SETTLED


def destroy_unused(keys: Keys, key: OwnersKey, now: datetime | None = None) -> list[str]:
    """Destroy what :func:`unused_versions` names, for good; returns which.

    Raises:
        SecretError: as there; nothing, or not all of it, was destroyed.
    """
    unused = unused_versions(keys, key, now)
    for version in unused:
        keys.store.destroy(key.secret, version)
    return unused
