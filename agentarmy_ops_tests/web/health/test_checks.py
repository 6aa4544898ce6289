"""Each check against the real thing, well and broken."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat
from psycopg import sql
from pydantic import SecretStr

from agentarmy_ops.errors import DatabaseError, StoreError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.web.health.causes import NotWell, cause_of
from agentarmy_ops.web.health.checks import (
    HEARTBEAT_SECONDS,
    StoreCheck,
    check_daemon,
    check_database,
    check_redis,
)
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_database_that_answers(app_database: AppDatabase) -> None:
    check_database(app_database.owner)
    check_database(app_database.backup)


def test_a_database_that_refuses_a_role(app_database: AppDatabase) -> None:
    role = "agentarmy_locked_out"
    with app_database.superuser.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    try:
        with pytest.raises(DatabaseError) as caught:
            check_database(app_database.owner.with_params(user=role))
    finally:
        with app_database.superuser.connect(autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert cause_of(caught.value) == "login refused"


def test_a_database_that_is_not_there(app_database: AppDatabase) -> None:
    with pytest.raises(DatabaseError) as caught:
        check_database(app_database.owner.with_params(dbname="nowhere"))
    assert cause_of(caught.value) == "not there"


def test_a_server_that_is_not_there(closed_port: int) -> None:
    with pytest.raises(DatabaseError) as caught:
        check_database(ConnInfo.parse(f"postgresql://u:secret@127.0.0.1:{closed_port}/d"))
    assert cause_of(caught.value) == "connection refused"


def test_a_server_that_accepts_and_never_answers(silent_port: int) -> None:
    with pytest.raises(DatabaseError) as caught:
        check_database(ConnInfo.parse(f"postgresql://u:secret@127.0.0.1:{silent_port}/d"))
    assert cause_of(caught.value) == "no answer in time"


def test_a_server_that_vanishes_is_noticed_by_the_kernel(
    app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the thread would wait for hours: the parameters reach libpq."""
    given: dict[str, object] = {}
    connect = psycopg.connect

    def watched(**keywords: object) -> object:
        given.update(keywords)
        return connect(**keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg, "connect", watched)
    check_database(app_database.owner)
    assert given["keepalives_idle"] == "5"
    assert given["tcp_user_timeout"] == "10000"
    assert given["connect_timeout"] == "2"


def test_redis(redis_server: str) -> None:
    check_redis(SecretStr(redis_server))


def test_redis_at_a_wrong_port(closed_port: int) -> None:
    with pytest.raises(redis.RedisError) as caught:
        check_redis(SecretStr(f"redis://:secret@127.0.0.1:{closed_port}/0"))
    assert cause_of(caught.value) == "connection refused"


def test_redis_that_accepts_and_never_answers(silent_port: int) -> None:
    with pytest.raises(redis.RedisError) as caught:
        check_redis(SecretStr(f"redis://:secret@127.0.0.1:{silent_port}/0"))
    assert cause_of(caught.value) == "no answer in time"


def test_a_store_whose_folder_the_first_backup_will_make(tmp_path: Path) -> None:
    StoreCheck(lambda: LocalStore(tmp_path / "not" / "yet"))()


def test_a_store_whose_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotWell, match="cannot be made"):
        StoreCheck(lambda: LocalStore(tmp_path / "file" / "backups"))()


def test_a_store_whose_folder_was_there_and_has_gone(tmp_path: Path) -> None:
    root = tmp_path / "backups"
    root.mkdir()
    check = StoreCheck(lambda: LocalStore(root))
    check()
    shutil.rmtree(root)
    with pytest.raises(NotWell, match="has gone"):
        check()
    root.mkdir()
    check()


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    root = tmp_path / "backups"
    root.touch()
    with pytest.raises(NotWell, match="cannot be made"):
        StoreCheck(lambda: LocalStore(root))()


def test_a_store_that_cannot_be_opened() -> None:
    def store() -> LocalStore:
        raise StoreError("no credentials")

    with pytest.raises(StoreError):
        StoreCheck(store)()


def beat(instance: DagsterInstance, age_seconds: float, *, but: str = "") -> None:
    """Write heartbeats of all daemons that the instance needs, but one."""
    for name in instance.get_required_daemon_types():
        if name != but:
            now = time.time() - age_seconds
            instance.add_daemon_heartbeat(DaemonHeartbeat(now, name, "an id", []))


def test_daemons(stack: Stack) -> None:
    instance = stack.instance
    with pytest.raises(NotWell, match=r"no heartbeat for 300 s of sensor, .*queued_run"):
        check_daemon(instance)
    beat(instance, 0, but="SCHEDULER")
    with pytest.raises(NotWell, match=r"no heartbeat for 300 s of scheduler$"):
        check_daemon(instance)
    beat(instance, HEARTBEAT_SECONDS - 60)
    check_daemon(instance)
    beat(instance, HEARTBEAT_SECONDS + 1)
    with pytest.raises(NotWell, match="sensor, backfill"):
        check_daemon(instance)
