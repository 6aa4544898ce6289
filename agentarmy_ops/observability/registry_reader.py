"""Ask the application's registry, ``shared.tenants``, for one tenant, again and again."""

from threading import Lock
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.observability.context import TenantContext
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.reasons import reason

CONNECT_TIMEOUT_SECONDS = 5


class RegistryReader:
    """Keeps one connection to ``database``, made when first asked, and made anew when it broke.

    ``database`` is a connection string or what one was parsed to; its role needs to read columns
    ``id`` and ``slug``. Behind PgBouncer it works in every pool mode.
    It blocks; :class:`~agentarmy_ops.observability.tenant_lookup.TenantLookup` keeps that off the
    event loop.

    Raises:
        ConfigurationError: ``database`` is no connection string.
    """

    def __init__(self, database: ConnInfo | str) -> None:
        self._database = (
            ConnInfo.parse(database, name="the tenants' database")
            if isinstance(database, str)
            else database
        )
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._lock = Lock()

    def __call__(self, key: UUID | str) -> TenantContext | None:
        """The tenant of an id or a slug, active or not; None where there is none.

        Raises:
            DatabaseError: the registry cannot be read.
        """
        with self._lock:
            if self._connection is not None:
                try:
                    return self._ask(self._connection, key)
                except psycopg.OperationalError:
                    self._drop()  # a server that was restarted, a firewall that forgets
            try:
                self._connection = self._connect()
                return self._ask(self._connection, key)
            except psycopg.Error as error:
                self._drop()
                raise DatabaseError(
                    f"cannot read shared.tenants of {self._database}: {reason(error)}; "
                    "check the server, and that the role may SELECT from it"
                ) from error

    def close(self) -> None:
        """Close the connection. The next question opens another."""
        with self._lock:
            self._drop()

    def _connect(self) -> psycopg.Connection[TupleRow]:
        connection = self._database.connect(
            autocommit=True, connect_timeout=str(CONNECT_TIMEOUT_SECONDS)
        )
        connection.prepare_threshold = None  # PgBouncer gives each question another server
        return connection

    def _ask(
        self, connection: psycopg.Connection[TupleRow], key: UUID | str
    ) -> TenantContext | None:
        by_id = isinstance(key, UUID)
        parameters = {"id": key if by_id else None, "slug": None if by_id else key}
        row = connection.execute(load_sql(__file__, "find_tenant"), parameters).fetchone()
        return None if row is None else TenantContext(row[0], row[1])

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
