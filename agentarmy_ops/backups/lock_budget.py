"""Dumps of all processes and machines together keep to their share of a server.

A plan (:mod:`agentarmy_ops.backups.plan`) knows the dumps of its own run only. So each dump says
in the server itself how much of the lock table it will take: by a shared advisory lock whose
number is that amount. Before it begins it adds up what all have said, and waits while that is too
much. Nothing is configured, and nothing is left behind: PostgreSQL frees the lock when the
session ends, however it ends.
"""

import psycopg

from agentarmy_ops.backups.plan import LOCK_SHARE
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.errors import BackupError, DatabaseError
from agentarmy_ops.postgres.reasons import reason

# The first integer of our advisory locks of two, which are apart from tenants' locks of one. The
# second is the amount; 0 is the gate, which lets in one after the other, in the order they came.
LOCK_CLASS = int.from_bytes(b"lock")
_GATE = 0
# A batch's own session, its snapshot's, and pg_dump's.
CONNECTIONS_OF_A_DUMP = 3
# What dumps may take of a server's connections.
CONNECTION_SHARE = 0.5
_LOOK_EVERY_SECONDS = 0.5


def reserve(session: Connection, locks: int, stop: Stop) -> None:
    """Wait until a dump that takes so many locks fits beside all others of the server, and
    reserve them until the session ends.

    Those who wait are served in the order they came, so a large dump's turn comes. One that is
    too large for the share by itself goes when no other runs. While waiting the session holds
    nothing but its place. ``session`` is in autocommit mode.

    Raises:
        BackupError: asked to stop.
        DatabaseError: the connection is lost, or the query was cancelled.
    """
    query(session, "lock_timeout", value="0")  # a role's own would end the wait
    _lock(session, "pg_advisory_lock", _GATE)
    while not _fits(session, locks):
        _call(session, "SELECT pg_sleep(%s)", [_LOOK_EVERY_SECONDS])
        if stop.asked:
            raise BackupError("it was stopped")
    _lock(session, "pg_advisory_unlock", _GATE)


def _fits(session: Connection, locks: int) -> bool:
    """Reserve first, then look: of two in different databases, whose gates are two, each sees
    the other."""
    _lock(session, "pg_advisory_lock_shared", locks)
    (found,) = query(session, "reserved_locks", lock_class=LOCK_CLASS)
    if found["dumps"] == 1 or (
        found["locks"] <= found["server_locks"] * LOCK_SHARE
        and found["dumps"] * CONNECTIONS_OF_A_DUMP <= found["server_connections"] * CONNECTION_SHARE
    ):
        return True
    _lock(session, "pg_advisory_unlock_shared", locks)
    return False


def _lock(session: Connection, function: str, number: int) -> None:
    _call(session, f"SELECT {function}(%s, %s)", [LOCK_CLASS, number])


def _call(session: Connection, statement: str, parameters: list[object]) -> None:
    try:
        session.execute(statement.encode(), parameters)
    except psycopg.Error as error:
        raise DatabaseError(f"cannot wait for other dumps: {reason(error)}") from error
