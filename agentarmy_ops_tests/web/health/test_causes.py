import psycopg
import pytest
import redis

from agentarmy_ops.errors import DatabaseError, StoreError
from agentarmy_ops.web.health.causes import NotWell, cause_of


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (NotWell("as it is, db.internal"), "as it is, db.internal"),
        (DatabaseError("cannot connect to u@h/d: Connection refused"), "connection refused"),
        (DatabaseError("cannot connect to u@h/d: connection timeout expired"), "no answer in time"),
        (redis.TimeoutError("Timeout reading from socket"), "no answer in time"),
        (
            DatabaseError('cannot connect to u@h/d: FATAL: password authentication failed for "u"'),
            "login refused",
        ),
        (DatabaseError('could not translate host name "db.internal"'), "unknown host"),
        (DatabaseError('FATAL: database "app" does not exist'), "not there"),
        (DatabaseError("FATAL: sorry, too many clients already"), "no connection left"),
        (DatabaseError("FATAL: the database system is starting up"), "starting up"),
        (DatabaseError("FATAL: the database system is shutting down"), "shutting down"),
        (StoreError("cannot list /backups: Permission denied; give it"), "access denied"),
        (StoreError("cannot list x of db.internal"), "failed"),
        (psycopg.OperationalError("db.internal said no"), "failed (OperationalError)"),
    ],
)
def test_a_cause_is_a_few_words_without_names(error: Exception, shown: str) -> None:
    assert cause_of(error) == shown


def raised(error: Exception, cause: Exception | None) -> Exception:
    """``error`` as it is when it was raised while another was handled, from ``cause``."""
    error.__context__ = OSError("connection refused")
    error.__cause__ = cause
    return error


def test_a_cause_is_looked_for_behind_what_was_made_of_it() -> None:
    gave_up = raised(RuntimeError("too many retries for DB connection"), OSError("timed out"))
    assert cause_of(gave_up) == "no answer in time"
    during = RuntimeError("too many retries for DB connection")
    during.__context__ = OSError("connection refused")
    assert cause_of(during) == "connection refused"


def test_what_an_error_hides_stays_hidden() -> None:
    assert cause_of(raised(StoreError("cannot list x"), None)) == "failed"
