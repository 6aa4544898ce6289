"""The session and the transaction in which a tenant's schema is exchanged."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.restore.steps import Step, Watch, unwatched
from agentarmy_ops.backups.snapshot import no_timeouts
from agentarmy_ops.errors import OpsError, RestoreError, RestoreRefusedError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.stores.base import Store


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
def exchange(restorer: Restorer, connection: Connection, slug: str) -> Iterator[None]:
    """One transaction, committed at the end of the block; an error rolls all of it back.

    When the connection is lost while it is being committed, the server is asked what became of it.

    Raises:
        RestoreRefusedError: the block's own.
        RestoreError: it was rolled back, whatever the block raised; or nobody knows.
    """
    transaction_id = ""
    try:
        with connection.transaction():
            milliseconds = max(round(restorer.lock_timeout_seconds * 1000), 1)
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{milliseconds}ms"])
            yield
            row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
            restorer.watch(Step.COMMIT, "")
            transaction_id = row[0] if row else ""
    except RestoreRefusedError:
        raise
    except OpsError as error:
        raise _rolled_back(slug, str(error)) from error
    except psycopg.Error as error:
        if transaction_id and connection.closed:
            if _was_committed(restorer, transaction_id, slug):
                return
            raise _rolled_back(slug, "the connection was lost during the commit") from error
        raise _rolled_back(slug, reason(error)) from error


def _rolled_back(slug: str, cause: str) -> RestoreError:
    return RestoreError(f"tenant {slug} is as it was, all was rolled back: {cause}")


def _was_committed(restorer: Restorer, transaction_id: str, slug: str) -> bool:
    """Raises RestoreError when the server does not say."""
    status = None
    with suppress(OpsError, psycopg.Error), restorer.database.connect(autocommit=True) as again:
        row = again.execute("SELECT pg_xact_status(%s::text::xid8)", [transaction_id]).fetchone()
        status = row[0] if row else None
    if status not in ("committed", "aborted"):
        raise RestoreError(
            f"the connection was lost during the commit of tenant {slug}, which is either as it "
            "was or restored; see 'agentarmy-ops restore --list-aside' when the server is there"
        )
    return bool(status == "committed")
