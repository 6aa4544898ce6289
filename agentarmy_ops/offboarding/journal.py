"""Where the records of offboardings are, and what they say of one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from agentarmy_ops.backups.reference import OFFBOARDING
from agentarmy_ops.errors import StoreError
from agentarmy_ops.offboarding.records import Cancellation, Certificate, Erasing, Request
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.slug import validate_slug

_REQUEST = "request.json"
_CANCELLED = "cancelled.json"
_ERASING = "erasing-"
_CERTIFICATE = "certificate-"

_M = TypeVar("_M", bound=BaseModel)


class State(StrEnum):
    """``pending``: cooling off; ``due``: it may be erased; ``erasing``: that was begun and has not
    ended, or the store holds some of it."""

    PENDING = "pending"
    DUE = "due"
    CANCELLED = "cancelled"
    ERASING = "erasing"
    ERASED = "erased"


@dataclass(frozen=True)
class Offboarding:
    """What the store says of one: its newest records."""

    request: Request
    cancelled: bool = False
    erasing: Erasing | None = None
    certificate: Certificate | None = None

    def state(self, now: datetime | None = None) -> State:
        """How far it is, given that the tenant has not been brought back since."""
        if self.cancelled:
            return State.CANCELLED
        if self.erasing:
            return State.ERASED if self.is_erased else State.ERASING
        due = self.request.erase_after <= (now or datetime.now(UTC))
        return State.DUE if due else State.PENDING

    @property
    def is_erased(self) -> bool:
        """Whether all that was to be erased is."""
        certificate, erasing = self.certificate, self.erasing
        return bool(
            certificate
            and erasing
            and certificate.complete
            and certificate.erasing_id == erasing.erasing_id
        )

    def is_open_for(self, tenant_id: UUID) -> bool:
        """Whether the tenant of that id, which is in the registry, is the one to be erased: not
        another of the same slug, nor one that was erased and brought back."""
        return not self.cancelled and not self.certificate and self.request.tenant_id == tenant_id


def newest_offboarding(store: Store, slug: str) -> Offboarding | None:
    """The last one that was requested of a tenant.

    Raises:
        StoreError: the store failed, or holds a record that cannot be read.
    """
    found = list(_offboardings(store, f"{OFFBOARDING}{validate_slug(slug)}/", newest=True))
    return found[0] if found else None


def list_offboardings(store: Store, slug: str | None = None) -> Iterator[Offboarding]:
    """All, or those of a tenant, by slug and then oldest first.

    Raises:
        StoreError: as :func:`newest_offboarding`.
    """
    return _offboardings(store, f"{OFFBOARDING}{validate_slug(slug)}/" if slug else OFFBOARDING)


def open_requests(names: Iterable[str]) -> list[str]:
    """Of the names of listed records: the newest request of each tenant, unless it was cancelled
    or a certificate says that the tenant was erased. :func:`read_request` reads one."""
    folders = _by_folder(names)
    newest = {
        folder.rpartition("/")[0]: folder
        for folder in sorted(folders)
        if _REQUEST in folders[folder]
    }
    return [
        f"{folder}/{_REQUEST}"
        for folder in newest.values()
        if not any(leaf.startswith((_CANCELLED, _CERTIFICATE)) for leaf in folders[folder])
    ]


def read_request(store: Store, name: str) -> Request:
    """The request of that name.

    Raises:
        StoreError: the store failed, or it cannot be read.
    """
    return _read(store, name, Request)


def record_request(store: Store, request: Request) -> None:
    """Write it; from then on the tenant is to be erased."""
    _write(store, f"{_folder(request)}{_REQUEST}", request)


def record_cancellation(store: Store, cancellation: Cancellation) -> None:
    """Write it; from then on the tenant is not to be erased."""
    _write(store, f"{_folder(cancellation)}{_CANCELLED}", cancellation)


def record_erasing(store: Store, erasing: Erasing) -> None:
    """Write what is going to be erased."""
    _write(store, f"{_folder(erasing)}{_ERASING}{erasing.erasing_id}.json", erasing)


def record_certificate(store: Store, certificate: Certificate) -> None:
    """Write what was erased."""
    _write(store, certificate_name(certificate), certificate)


def certificate_name(certificate: Certificate) -> str:
    """The object of a certificate."""
    return f"{_folder(certificate)}{_CERTIFICATE}{certificate.certificate_id}.json"


def _folder(record: Request | Cancellation | Erasing) -> str:
    return f"{OFFBOARDING}{record.slug}/{record.offboarding_id}/"


def _write(store: Store, name: str, record: Request | Cancellation | Erasing) -> None:
    with store.create(name) as writer:
        writer.write(record.encode())


def _offboardings(store: Store, prefix: str, *, newest: bool = False) -> Iterator[Offboarding]:
    folders = _by_folder(item.name for item in store.list(prefix))
    requested = sorted(folder for folder, leaves in folders.items() if _REQUEST in leaves)
    for folder in requested[-1:] if newest else requested:
        yield _read_folder(store, folder, folders[folder])


def _by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    """The last parts of names by what is before them."""
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        folder, _, leaf = name.rpartition("/")
        folders[folder].append(leaf)
    return folders


def _read_folder(store: Store, folder: str, leaves: Iterable[str]) -> Offboarding:
    def last(beginning: str, model: type[_M]) -> _M | None:
        names = sorted(leaf for leaf in leaves if leaf.startswith(beginning))
        return _read(store, f"{folder}/{names[-1]}", model) if names else None

    return Offboarding(
        request=_read(store, f"{folder}/{_REQUEST}", Request),
        cancelled=_CANCELLED in leaves,
        erasing=last(_ERASING, Erasing),
        certificate=last(_CERTIFICATE, Certificate),
    )


def _read(store: Store, name: str, model: type[_M]) -> _M:
    try:
        return model.model_validate_json(store.read(name))
    except ValidationError:
        raise StoreError(
            f"{name} in {store.url} is not a record of this version; do not trust it, and look "
            "into who changed it"
        ) from None
