"""The lock, seen from two sessions. A second session that must wait runs in a thread; that it
really waits is read from ``pg_locks``, so that no test depends on the clock."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from agentarmy_ops.errors import DatabaseError, TenantBusyError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.lock import lock_key, tenant_lock
from agentarmy_ops_tests.fix_tenants import AppDatabase

Connection = psycopg.Connection[TupleRow]


@pytest.fixture
def owner(app_database: AppDatabase) -> ConnInfo:
    return app_database.owner


def locked(conninfo: ConnInfo, slug: str = "acme") -> bool:
    with conninfo.connect(autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [lock_key(slug)]).fetchone()
    return row == (False,)


def busy(connection: Connection, slug: str, *, timeout_seconds: float) -> str:
    """The message of a lock that cannot be had."""
    with (
        pytest.raises(TenantBusyError) as caught,
        tenant_lock(connection, slug, timeout_seconds=timeout_seconds),
    ):
        pytest.fail("entered")
    return str(caught.value)


def wait_until_somebody_waits(conninfo: ConnInfo) -> None:
    waiting = (
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with conninfo.connect(autocommit=True) as connection:
        while connection.execute(waiting).fetchone() is None:
            pass


def test_the_key_never_changes() -> None:
    # Processes of two versions must exclude each other.
    assert lock_key("acme") == -8894335712214722207
    assert lock_key("acme-eu") != lock_key("acme")


@pytest.mark.parametrize("autocommit", [True, False])
def test_the_lock_is_held_in_the_block_and_free_after_it(owner: ConnInfo, autocommit: bool) -> None:
    with owner.connect(autocommit=autocommit) as connection:
        with tenant_lock(connection, "acme", timeout_seconds=5):
            assert connection.info.transaction_status == TransactionStatus.IDLE
            assert locked(owner)
            assert not locked(owner, "other")
        assert not locked(owner)
        assert connection.info.transaction_status == TransactionStatus.IDLE


def test_a_read_only_role_can_lock(app_database: AppDatabase) -> None:
    with app_database.backup.connect() as connection:
        connection.read_only = True
        with tenant_lock(connection, "acme", timeout_seconds=5):
            assert locked(app_database.owner)
        assert not locked(app_database.owner)


def test_a_busy_tenant_names_who_keeps_it(owner: ConnInfo) -> None:
    with (
        owner.connect(application_name="nightly backup") as holder,
        tenant_lock(holder, "acme", timeout_seconds=5),
        owner.connect() as second,
    ):
        message = busy(second, "acme", timeout_seconds=0.01)
        pid = holder.info.backend_pid
        assert message == (
            f"tenant acme is busy: another operation (pid {pid}, nightly backup) held its lock "
            "for all of 0.01 s; wait for it to end and try again"
        )
        # Not polling, and nothing left behind: the same connection can try again.
        assert second.info.transaction_status == TransactionStatus.IDLE
        assert second.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_the_holder_is_found_for_keys_of_either_sign(owner: ConnInfo) -> None:
    slugs = ["acme", "beta", "gamma", "delta", "epsilon"]
    assert {lock_key(slug) > 0 for slug in slugs} == {True, False}
    for slug in slugs:
        with (
            owner.connect() as holder,
            tenant_lock(holder, slug, timeout_seconds=5),
            owner.connect() as second,
        ):
            message = busy(second, slug, timeout_seconds=0)
            assert f"(pid {holder.info.backend_pid}, agentarmy_ops)" in message


def test_waiting_ends_when_the_holder_is_done(owner: ConnInfo) -> None:
    entered = threading.Event()

    def second() -> None:
        with owner.connect() as connection, tenant_lock(connection, "acme", timeout_seconds=60):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with owner.connect() as connection, tenant_lock(connection, "acme", timeout_seconds=5):
            waiting = pool.submit(second)
            wait_until_somebody_waits(owner)
            assert not entered.is_set()
        waiting.result(60)
    assert entered.is_set()


def test_a_short_statement_timeout_does_not_end_the_waiting(owner: ConnInfo) -> None:
    impatient = owner.with_params(options="-c statement_timeout=40 -c lock_timeout=30")
    with (
        owner.connect() as holder,
        tenant_lock(holder, "acme", timeout_seconds=5),
        impatient.connect() as second,
    ):
        assert "for all of 0.2 s" in busy(second, "acme", timeout_seconds=0.2)
        assert second.execute("SHOW statement_timeout").fetchone() == ("40ms",)
        assert second.execute("SHOW lock_timeout").fetchone() == ("30ms",)


@pytest.mark.parametrize("begun", [False, True])
def test_timeouts_are_what_they_were(owner: ConnInfo, begun: bool) -> None:
    with owner.connect() as connection:
        if begun:
            connection.execute("SET LOCAL lock_timeout = '7s'")
        else:
            connection.execute("SET lock_timeout = '7s'")
            connection.commit()
        with tenant_lock(connection, "acme", timeout_seconds=5):
            assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def fail_in_sql(connection: Connection) -> None:
    connection.execute("SELECT 1 / 0")


def fail_in_nested(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("SELECT 1 / 0")


def fail_in_python(connection: Connection) -> None:
    connection.execute("SELECT 1")
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("fail", [fail_in_sql, fail_in_nested, fail_in_python])
def test_an_exception_frees_the_lock_and_stays_itself(
    owner: ConnInfo, autocommit: bool, outer: bool, fail: Callable[[Connection], None]
) -> None:
    def run(connection: Connection) -> None:
        with tenant_lock(connection, "acme", timeout_seconds=5):
            fail(connection)

    with owner.connect(autocommit=autocommit) as connection:
        with pytest.raises((psycopg.errors.DivisionByZero, ZeroDivisionError), match="by zero"):
            if outer:
                with connection.transaction():
                    run(connection)
            else:
                run(connection)
        assert not locked(owner)
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)  # and still usable


def test_a_connection_that_died_freed_it(app_database: AppDatabase) -> None:
    with (
        app_database.superuser.connect(autocommit=True) as superuser,
        pytest.raises(psycopg.OperationalError, match="terminating connection"),
        app_database.owner.connect() as connection,
        tenant_lock(connection, "acme", timeout_seconds=5),
    ):
        superuser.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
        connection.execute("SELECT 1")
    assert not locked(app_database.owner)


def test_a_connection_that_was_closed_freed_it(owner: ConnInfo) -> None:
    with owner.connect() as connection, tenant_lock(connection, "acme", timeout_seconds=5):
        connection.close()


def test_a_connection_that_is_dead_already(owner: ConnInfo) -> None:
    connection = owner.connect()
    connection.close()
    with (
        pytest.raises(DatabaseError, match="cannot lock tenant acme: the connection is closed"),
        tenant_lock(connection, "acme", timeout_seconds=5),
    ):
        pytest.fail("entered")
