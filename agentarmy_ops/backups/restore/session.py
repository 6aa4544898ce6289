"""The session and the transaction in which a tenant's schema is exchanged."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import psycopg

from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.restore.aside import find_asides
from agentarmy_ops.backups.restore.steps import Step, Watch, unwatched
from agentarmy_ops.backups.snapshot import no_timeouts
from agentarmy_ops.errors import OpsError, RestoreError, RestoreRefusedError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.lock import limit_waiting, tenant_lock
from agentarmy_ops.tenants.slug import schema_name

_PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Restorer:
    """Where backups are restored to, as the role that owns the tenants, and from where.

    ``lock_timeout_seconds`` bounds the wait for the tenant's advisory lock, and for each lock on
    a table outside of its schema that a foreign key of the backup refers to.
    """

    database: ConnInfo
    store: Store
    keys: Keys = field(default_factory=Keys)
    bin_dirs: tuple[Path, ...] = ()
    lock_timeout_seconds: float = 60
    watch: Watch = unwatched


@contextmanager
def open_session(restorer: Restorer, options: str = "") -> Iterator[Connection]:
    """A session in autocommit mode, as long as it takes; ``options`` are libpq's. When this
    process dies, the server notices within a second, in the middle of a statement too.

    Raises:
        DatabaseError: the server cannot be reached or refuses.
    """
    params = {"options": options} if options else {}
    with restorer.database.connect(autocommit=True, **params) as connection:
        no_timeouts(connection)
        with suppress(psycopg.Error):  # not every platform can
            connection.execute("SET client_connection_check_interval = '1s'")
        yield connection


@contextmanager
def locked_session(restorer: Restorer, slug: str) -> Iterator[Connection]:
    """A session that holds the tenant's lock.

    Raises:
        TenantBusyError: another operation holds it.
        DatabaseError: the server cannot be reached or refuses.
    """
    with (
        open_session(restorer) as connection,
        tenant_lock(connection, slug, timeout_seconds=restorer.lock_timeout_seconds),
    ):
        yield connection


def settle(restorer: Restorer, connection: Connection) -> None:
    """How a transaction that changes a tenant behaves: it waits for a lock no longer than it may,
    and once it is committed it survives a crash, whatever the role's default.

    Raises:
        psycopg.Error: PostgreSQL refuses.
    """
    limit_waiting(connection, restorer.lock_timeout_seconds)
    connection.execute("SET LOCAL synchronous_commit = on")


@contextmanager
def exchange(restorer: Restorer, connection: Connection, slug: str) -> Iterator[None]:
    """One transaction, committed at the end of the block; an error rolls all of it back.

    When the connection is lost while it is being committed, the server is asked what became of it.

    Raises:
        RestoreRefusedError: the block's own.
        RestoreError: it was rolled back, whatever the block raised; or nobody knows.
    """
    before = _state(connection, slug)
    after = None
    try:
        with connection.transaction():
            settle(restorer, connection)
            yield
            after = _state(connection, slug)
            restorer.watch(Step.COMMIT, "")
    except RestoreRefusedError:
        raise
    except OpsError as error:
        raise _rolled_back(slug, str(error)) from error
    except psycopg.Error as error:
        if after and connection.closed:
            found = _state_again(restorer, slug)
            if found == after:
                return
            if found != before:
                raise RestoreError(
                    f"the connection was lost during the commit of tenant {slug}, which is either "
                    "as it was or exchanged; see 'agentarmy-ops restore --list-aside' when the "
                    "server is there"
                ) from error
        raise _rolled_back(slug, reason(error)) from error


_State = tuple[int | None, tuple[str, ...]]


def _state(connection: Connection, slug: str) -> _State:
    """Which schema the tenant has, and which are aside: a transaction here changes one of them.

    Not ``pg_xact_status``: after a crash, a transaction's number may be another's.
    """
    row = connection.execute(
        "SELECT oid::bigint FROM pg_namespace WHERE nspname = %s", [schema_name(slug)]
    ).fetchone()
    return row and row[0], tuple(aside.schema for aside in find_asides(connection, slug))


def _state_again(restorer: Restorer, slug: str) -> _State | None:
    """What the server says when it is there again; None when it is not for a minute."""
    deadline = monotonic() + _PATIENCE_SECONDS
    while monotonic() < deadline:
        try:
            with restorer.database.connect(autocommit=True) as connection:
                return _state(connection, slug)
        except (OpsError, psycopg.Error):
            sleep(_PAUSE_SECONDS)  # a server that starts tells nobody when it is ready
    return None


def _rolled_back(slug: str, cause: str) -> RestoreError:
    return RestoreError(f"tenant {slug} is as it was, all was rolled back: {cause}")
