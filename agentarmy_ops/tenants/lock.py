"""One operation at a time on a tenant, across processes and machines.

A session-level advisory lock: PostgreSQL frees it when the session ends, however it ends, so
a killed process leaves nothing to clean up. It lives in one database of one server, and needs
a session of its own: not a connection through a transaction pooler.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg import errors as pg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from agentarmy_ops.errors import DatabaseError, TenantBusyError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.postgres.reasons import reason

_LONGEST = 2**31 - 1  # milliseconds; the largest lock_timeout


@contextmanager
def tenant_lock(
    connection: psycopg.Connection[TupleRow], slug: str, *, timeout_seconds: float
) -> Iterator[None]:
    """Hold the tenant's lock in this block.

    Enter it outside of a transaction and end yours inside the block, so that all you read is
    newer than the lock and all you write is committed before the next holder reads it. A
    transaction that is aborted when the block ends is rolled back, because nothing else can
    be done with it.

    Raises:
        TenantBusyError: another session still holds it after ``timeout_seconds``.
        DatabaseError: PostgreSQL refuses or the connection is lost.
    """
    key = lock_key(slug)
    _acquire(connection, key, slug, timeout_seconds)
    try:
        yield
    finally:
        _release(connection, key)


class TenantLocks:
    """Locks of many tenants, held by one session in autocommit mode; usable from many threads."""

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self._connection = connection

    def try_all(self, slugs: Sequence[str]) -> frozenset[str]:
        """Take, without waiting, the locks that are free; returns whose they are.

        Raises:
            DatabaseError: PostgreSQL refuses or the connection is lost.
        """
        keys = [lock_key(slug) for slug in slugs]
        try:
            taken = self._connection.execute(load_sql(__file__, "try_locks"), {"keys": keys})
            return frozenset(slugs[place - 1] for (place,) in taken)
        except psycopg.Error as error:
            raise DatabaseError(f"cannot lock tenants: {reason(error)}") from error

    def wait_for(self, slug: str, *, timeout_seconds: float) -> None:
        """Take one lock, as :func:`tenant_lock` does.

        Raises:
            TenantBusyError: another session still holds it after ``timeout_seconds``.
            DatabaseError: PostgreSQL refuses or the connection is lost.
        """
        _acquire(self._connection, lock_key(slug), slug, timeout_seconds)

    def release(self, slug: str) -> None:
        """Free one lock; of a lost session, PostgreSQL frees them all."""
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock(%s)", [lock_key(slug)])


def limit_waiting(connection: psycopg.Connection[TupleRow], seconds: float) -> None:
    """Wait for no lock on a table or row longer than this, until the transaction ends.

    Raises:
        psycopg.Error: PostgreSQL refuses.
    """
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true)", [f"{_milliseconds(seconds)}ms"]
    )


def lock_key(slug: str) -> int:
    """The tenant's 64-bit key: the same in every version of this package."""
    digest = hashlib.sha256(b"agentarmy_ops:tenant:" + slug.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _acquire(
    connection: psycopg.Connection[TupleRow], key: int, slug: str, timeout_seconds: float
) -> None:
    try:
        # The transaction ends with this block, or is a savepoint of the caller's: the lock
        # outlives either, the settings must not.
        with connection.transaction():
            before = connection.execute(load_sql(__file__, "read_timeouts")).fetchone()
            _set_timeouts(connection, f"{_milliseconds(timeout_seconds)}ms", "0")
            connection.execute("SELECT pg_advisory_lock(%s)", [key])
            if before is not None:
                _set_timeouts(connection, before[0], before[1])
    except (pg.LockNotAvailable, pg.DeadlockDetected):
        raise TenantBusyError(
            f"tenant {slug} is busy: another operation{_holder(connection, key)} held its lock "
            f"for all of {timeout_seconds:g} s; wait for it to end and try again"
        ) from None
    except psycopg.Error as error:
        raise DatabaseError(
            f"cannot lock tenant {slug}: {reason(error)}; check the server and try again"
        ) from error


def _milliseconds(seconds: float) -> int:
    return min(max(round(seconds * 1000), 1), _LONGEST)  # 0 would be for ever


def _set_timeouts(connection: psycopg.Connection[TupleRow], lock: str, statement: str) -> None:
    connection.execute(load_sql(__file__, "set_timeouts"), {"lock": lock, "statement": statement})


def _holder(connection: psycopg.Connection[TupleRow], key: int) -> str:
    with suppress(psycopg.Error), connection.transaction():
        row = connection.execute(load_sql(__file__, "lock_holder"), {"key": key}).fetchone()
        if row is not None:
            return f" (pid {row[0]}, {row[1]})" if row[1] else f" (pid {row[0]})"
    return ""


def _release(connection: psycopg.Connection[TupleRow], key: int) -> None:
    """Unlock, whatever state the connection is in; never hides the block's own exception."""
    if connection.closed:
        return  # the lock ended with the session
    # Straight to libpq: psycopg would begin a transaction for this, and forbids a rollback where
    # the caller is inside a `with connection.transaction()`; that block ends well after ours.
    pgconn = connection.pgconn
    freed = False
    with suppress(psycopg.Error):
        if pgconn.transaction_status == TransactionStatus.INERROR:
            pgconn.exec_(b"ROLLBACK")
        freed = pgconn.exec_(b"SELECT pg_advisory_unlock(%d)" % key).get_value(0, 0) == b"t"
    if not freed:
        connection.close()  # ends the session, and with it the lock
