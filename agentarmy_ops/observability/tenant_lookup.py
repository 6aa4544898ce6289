"""Which tenant a request means: remembered, and asked for by one request only."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.observability.context import TenantContext
from agentarmy_ops.observability.single_flight import SingleFlight
from agentarmy_ops.observability.tenant_key import tenant_key

if TYPE_CHECKING:
    from agentarmy_ops.postgres.conninfo import ConnInfo

_logger = logging.getLogger(__name__)


class TenantLookup:
    """From ids and slugs to tenants, by ``find``, which may block; :meth:`in_database` is by the
    registry, ``shared.tenants``.

    A tenant is remembered for ``known_seconds``; that there is none of a name, for
    ``unknown_seconds``; of each kind the latest ``size``, so that a flood of invented names pushes
    no tenant out. Requests that ask for the same tenant at once wait for one question. Questions
    are asked one after the other by a thread, never by the event loop.

    When the registry fails, or is silent for ``timeout_seconds``, a tenant that was remembered is
    still known, and nobody asks again for ``retry_seconds``.

    For one event loop. ``at_close`` is called last. ``clock`` tells seconds.
    """

    def __init__(
        self,
        find: Callable[[UUID | str], TenantContext | None],
        *,
        at_close: Callable[[], None] = lambda: None,
        known_seconds: float = 60,
        unknown_seconds: float = 10,
        size: int = 10_000,
        timeout_seconds: float = 5,
        retry_seconds: float = 5,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._registry = SingleFlight(find, at_close)
        self._known = _Memory(size, known_seconds)
        self._unknown = _Memory(size, unknown_seconds)
        self._timeout = timeout_seconds
        self._retry = retry_seconds
        self._clock = clock
        self._failure: DatabaseError | None = None
        self._retry_at = 0.0

    @classmethod
    def in_database(cls, database: "ConnInfo | str", **options: Any) -> Self:
        """By the registry of a database, a connection string or what one was parsed to; the role
        needs SELECT on ``shared.tenants``. ``options`` are those of the class.

        Raises:
            ConfigurationError: ``database`` is no connection string.
        """
        # Loaded here: the database's driver.
        from agentarmy_ops.observability.registry_reader import RegistryReader  # noqa: PLC0415

        reader = RegistryReader(database)
        return cls(reader, at_close=reader.close, **options)

    async def __call__(self, value: str) -> TenantContext | None:
        """The tenant that a client calls ``value``, active or not; None where there is none.

        Raises:
            InvalidInputError: ``value`` is neither an id nor a slug; nobody was asked.
            DatabaseError: the registry cannot be read now.
        """
        key = tenant_key(value)
        for memory in (self._known, self._unknown):
            remembered = memory.get(key)
            if remembered is not None and self._clock() < remembered.until:
                return remembered.tenant
        try:
            tenant = await self._ask(key)
        except DatabaseError:
            remembered = self._known.get(key)
            if remembered is None:
                raise
            return remembered.tenant
        if tenant is None:
            self._known.forget(key)
            self._unknown.put(key, None, self._clock())
        else:
            self._known.put(key, tenant, self._clock())
        return tenant

    def close(self) -> None:
        """Let the thread end, and close the connection. Asked again, both begin anew."""
        self._registry.close()

    async def _ask(self, key: UUID | str) -> TenantContext | None:
        if self._failure is not None and self._clock() < self._retry_at:
            raise self._failure
        try:
            tenant = await self._answer(key)
        except DatabaseError as error:
            if self._failure is None:
                _logger.warning("no tenant can be looked up: %s", error)
            self._failure = error
            self._retry_at = self._clock() + self._retry
            raise
        if self._failure is not None:
            _logger.warning("tenants can be looked up again")
        self._failure = None
        return tenant

    async def _answer(self, key: UUID | str) -> TenantContext | None:
        answer = self._registry.ask(key)
        await asyncio.wait([answer], timeout=self._timeout)
        if not answer.done():
            raise DatabaseError(
                f"the registry of tenants did not answer within {self._timeout:g} s; "
                "check the database server"
            )
        return answer.result()


class _Remembered(NamedTuple):
    tenant: TenantContext | None
    until: float


class _Memory:
    """The latest ``size`` answers."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._answers: OrderedDict[UUID | str, _Remembered] = OrderedDict()

    def get(self, key: UUID | str) -> _Remembered | None:
        return self._answers.get(key)

    def put(self, key: UUID | str, tenant: TenantContext | None, now: float) -> None:
        self._answers[key] = _Remembered(tenant, now + self._seconds)
        self._answers.move_to_end(key)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)

    def forget(self, key: UUID | str) -> None:
        self._answers.pop(key, None)
