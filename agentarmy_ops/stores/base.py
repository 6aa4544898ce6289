"""What every store can do. Backups, verdicts and platform archives go through this alone."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """One stored object: its name, its size in bytes and when it was completed (UTC). ``held``:
    the store says that it may not be deleted for now."""

    name: str
    size: int
    created_at: datetime
    held: bool = False


class ObjectWriter(Protocol):
    """Receives an object's bytes; the object appears when the ``with`` block ends well."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append ``data``; returns its length in bytes."""
        ...


class Store(Protocol):
    """Named, immutable objects. Names are ``/``-separated and relative, e.g.
    ``tenants/acme/20261123T021503Z-7f3a9c/manifest.json``.

    Every method raises :class:`~agentarmy_ops.errors.StoreError` when the store itself fails.
    """

    @property
    def url(self) -> str:
        """The store's own URL, without credentials."""
        ...

    def create(self, name: str) -> AbstractContextManager[ObjectWriter]:
        """Stream a new object. It becomes visible, whole and durable, when the block ends
        without an exception; with one, nothing is left.

        Raises:
            ObjectExistsError: an object of that name exists; it is left as it was.
        """
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Stream an object's bytes.

        Raises:
            ObjectNotFoundError: there is none of that name.
        """
        ...

    def read(self, name: str) -> bytes:
        """A small object's bytes, whole.

        Raises:
            ObjectNotFoundError: there is none of that name.
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Complete objects whose name starts with ``prefix``, in name order."""
        ...

    def list_folders(self, prefix: str) -> Iterator[str]:
        """The distinct next path segments below ``prefix`` (which ends in ``/`` or is empty),
        in order, without reading what is inside them."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; no error when there is none.

        Raises:
            ObjectHeldError: the store protects it for now; it is left as it was.
        """
        ...

    def sweep(self, older_than: timedelta) -> int:
        """Remove what killed processes left half-written and nobody wrote to for
        ``older_than``; returns how many. Such leftovers are never listed."""
        ...
