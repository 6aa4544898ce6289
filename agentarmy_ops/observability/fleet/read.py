"""Read registry and store, and put together what is known of all tenants' backups."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from time import monotonic

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.backups.folders import owner_of
from agentarmy_ops.backups.in_order import in_order, threads_for
from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.reference import OFFBOARDING
from agentarmy_ops.errors import DatabaseError, OpsError, StoreError
from agentarmy_ops.observability.fleet.assemble import overviews, platform_overview, throughput_of
from agentarmy_ops.observability.fleet.model import Fleet
from agentarmy_ops.observability.fleet.stored import HISTORY, Stored, StoredReader
from agentarmy_ops.offboarding.journal import open_requests, read_request
from agentarmy_ops.offboarding.records import Request
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.stores.base import ObjectInfo, Store
from agentarmy_ops.tenants.registry import Registry, read_registry
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

__all__ = ["HISTORY", "FleetReader"]

# The registry is small; a server that does not answer within this is not well.
_STATEMENT_TIMEOUT = "60s"

OpenRegistry = Callable[[], AbstractContextManager[psycopg.Connection[TupleRow]]]


class FleetReader:
    """Reads the fleet again and again: what was read of objects that never change is kept, and of
    tenants whose objects are the same as last time nothing is read at all.

    ``store`` and ``registry`` are called for each reading, so that one that cannot be opened now
    may be the next time. One reading at a time.
    """

    def __init__(self, store: Callable[[], Store], registry: OpenRegistry) -> None:
        self._store, self._registry = store, registry
        self._stored: Mapping[str | None, Stored] = {}
        self._requests: Mapping[str, Request] = {}

    def read(self, stopping: threading.Event | None = None) -> Fleet:
        """The fleet as registry and store show it now.

        Raises:
            DatabaseError: the registry cannot be read.
            StoreError: the store cannot be listed, or not read.
            OpsError: one of them cannot be opened; or ``stopping`` was set.
        """
        started, read_at = monotonic(), datetime.now(UTC)
        registry, schemas = _read_registry(self._registry)
        store = self._store()
        listed = _Listing(store, self._stored, stopping or threading.Event())
        stored = listed.read()
        self._stored = stored
        self._requests, unread = _read_requests(store, listed.records, self._requests)
        offboarding = {request.tenant_id for request in self._requests.values()}
        return Fleet(
            read_at=read_at,
            seconds=monotonic() - started,
            platform=platform_overview(stored.get(None)),
            tenants=tuple(overviews(registry.tenants, schemas, offboarding, stored)),
            store_bytes=listed.store_bytes,
            throughput=throughput_of(stored),
            problems=(*registry.problems, *unread),
        )


def _read_registry(registry: OpenRegistry) -> tuple[Registry, frozenset[str]]:
    """The registry, and the names of the schemas there are."""
    with registry() as connection:
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [_STATEMENT_TIMEOUT]
                )
                found = read_registry(connection)
                rows = query(connection, "schemas_with_prefix", prefix=SCHEMA_PREFIX)
                return found, frozenset(row["nspname"] for row in rows)
        except psycopg.Error as error:
            raise DatabaseError(
                f"cannot read shared.tenants: {reason(error)}; check the server and try again"
            ) from error


def _read_requests(
    store: Store, names: Iterable[str], known: Mapping[str, Request]
) -> tuple[dict[str, Request], list[str]]:
    """The requests of offboardings that are under way, and what cannot be read of them."""
    found, problems = {}, []
    for name in open_requests(names):
        try:
            found[name] = known.get(name) or read_request(store, name)
        except StoreError as error:
            problems.append(str(error))
    return found, problems


@dataclass
class _Listing:
    """One listing of the whole store; ``records`` are the names of the offboardings' records."""

    store: Store
    before: Mapping[str | None, Stored]
    stopping: threading.Event

    def read(self) -> dict[str | None, Stored]:
        """What the store says of each owner. Only owners that changed are handed to threads."""
        self.store_bytes = 0
        self.records: list[str] = []
        self._same: dict[str | None, Stored] = {}
        reader = StoredReader(self.store)

        def read_owner(group: "_Group") -> tuple[str | None, Stored]:
            slug, objects, listing = group
            return slug, reader.read(slug, objects, listing, self.before.get(slug))

        changed = in_order(self._changed(), read_owner, threads=threads_for(self.store))
        found = dict(changed)
        return self._same | found

    def _changed(self) -> Iterator["_Group"]:
        listing = self.store.list("")
        for (slug, somebodys), group in groupby(listing, key=lambda item: owner_of(item.name)):
            if self.stopping.is_set():
                raise OpsError("the fleet was not read to its end, for the program ends")
            objects = tuple(group)
            self.store_bytes += sum(item.size for item in objects)
            if not somebodys:
                self.records += (i.name for i in objects if i.name.startswith(OFFBOARDING))
                continue
            listing_hash = hash(tuple((i.name, i.size, i.created_at) for i in objects))
            before = self.before.get(slug)
            if before and before.listing == listing_hash and not before.problems:
                self._same[slug] = before
            else:
                yield slug, objects, listing_hash


_Group = tuple[str | None, tuple[ObjectInfo, ...], int]
