"""The platform's sensor, over servers that are stopped, strange, or silent."""

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetKey

from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Key
from agentarmy_ops.orchestration.health.platform import examine_platform, look_at_scratch
from agentarmy_ops.orchestration.health.sensors import platform_health_sensor
from agentarmy_ops.runtime import Runtime
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase
from agentarmy_ops_tests.orchestration.health.conftest import NOW, Put, Watch, cause

NOBODY = "postgresql://nobody:s3cret@127.0.0.1:9/none"
STALE = timedelta(hours=27)


def problem(check: str) -> list[tuple[str, str, str]]:
    return [("platform_backup", check, "problem")]


def recovered(check: str) -> list[tuple[str, str, str]]:
    return [("platform_backup", check, "recovered")]


@pytest.fixture
def watch(stack: Stack, put: Put) -> Watch:
    """A platform where all is well, looked at once."""
    stack.tenants("acme")
    put(None)
    watch = Watch(stack, platform_health_sensor)
    assert watch.tick() == []
    return watch


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_what_does_not_answer_twice_in_a_row_is_a_problem_until_it_answers(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for check, variable, value in (
        (Check.LIVE_DATABASE, "BACKUP_DATABASE_URL", NOBODY),
        (Check.SCRATCH_SERVER, "SCRATCH_DATABASE_URL", NOBODY),
        (Check.REDIS, "REDIS_URL", "redis://:s3cret@127.0.0.1:9/0"),
        (Check.BACKUP_STORE, "BACKUP_STORE_URL", "file:///etc/passwd"),
    ):
        with monkeypatch.context() as broken:
            broken.setenv(variable, value)
            assert watch.tick() == []
            (event,) = watch.events()
            assert (event.asset_key, event.partition) == (AssetKey("platform_backup"), None)
            assert event.description == f"{check}: problem"
            assert "s3cret" not in cause(event)
            assert "\n" not in cause(event)
            assert [*watch.memory.seen] == [Key(check, PLATFORM_ID)]
            assert watch.tick() == []
        assert watch.tick() == recovered(check)
        assert watch.tick() == []
        assert watch.memory.seen == {}


def test_what_is_away_for_one_tick_is_no_problem(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setenv("SCRATCH_DATABASE_URL", NOBODY)
            assert watch.tick() == []
        assert watch.tick() == []


def test_a_scratch_server_of_another_major_is_a_problem_and_the_embedded_one_is_not_started(
    watch: Watch, postgres_major: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = watch.stack.runtime
    assert look_at_scratch(runtime, f"{postgres_major}.1") == []
    assert look_at_scratch(runtime, None) == []
    ((check, cause),) = look_at_scratch(runtime, "99.4")
    assert check is Check.SCRATCH_SERVER
    assert f"the scratch server is PostgreSQL {postgres_major}" in cause
    monkeypatch.delenv("SCRATCH_DATABASE_URL")
    assert watch.tick() == []
    assert not list(runtime.home.glob("scratch-*"))


def test_a_server_that_never_says_a_word_does_not_hold_the_others_up(
    watch: Watch, silent_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{silent_server}/0")
    monkeypatch.setenv("SCRATCH_DATABASE_URL", NOBODY)
    found = examine_platform(Runtime(), datetime.now(UTC), seconds=1).problems
    assert {key.check for key in found} == {Check.REDIS, Check.SCRATCH_SERVER}
    assert found[Key(Check.REDIS, PLATFORM_ID)] == "no answer in time"


def test_a_registry_that_is_gone_is_a_problem_and_no_verdict_on_backups(
    watch: Watch, app_database: AppDatabase, put: Put
) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET created_at = now() - interval '30 days'")
    for folder in (watch.stack.runtime.home / "backups" / "platform").iterdir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert [check for _, check, _ in watch.tick()] == ["overdue-verification", "stale-backup"]
    with app_database.superuser.connect() as connection:
        connection.execute("ALTER TABLE shared.tenants RENAME TO others")
    watch.forget_when()
    assert watch.tick() == problem("registry")
    assert len(watch.memory.seen) == 3
    assert watch.memory.checked_at == 1
    with app_database.superuser.connect() as connection:
        connection.execute("ALTER TABLE shared.others RENAME TO tenants")
    assert watch.tick() == recovered("registry")
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET schema_name = 'elsewhere'")
    (event,) = watch.events()
    assert event.description == "registry: problem"
    assert "acme lives in schema 'elsewhere'" in cause(event)


def test_what_cannot_be_looked_at_is_neither_well_again_nor_told_anew(
    watch: Watch, app_database: AppDatabase, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(None, NOW, "failed")
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET schema_name = 'elsewhere'")
    assert watch.tick() == [*problem("failed-verification"), *problem("registry")]
    for check, variable, value in (
        ("live-database", "BACKUP_DATABASE_URL", NOBODY),
        ("backup-store", "BACKUP_STORE_URL", "file:///etc/passwd"),
    ):
        with monkeypatch.context() as broken:
            broken.setenv(variable, value)
            assert watch.tick() == []
            assert watch.tick() == problem(check)
        assert watch.tick() == recovered(check)


def test_a_lock_budget_that_runs_out(
    watch: Watch, app_database: AppDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute(
            "DO $$ BEGIN FOR n IN 1..300 LOOP"
            " EXECUTE format('CREATE SEQUENCE tenant_acme.s%s', n); END LOOP; END $$"
        )
    assert watch.tick() == []
    with monkeypatch.context() as greedy:
        greedy.setenv("CONCURRENT_DUMPS", "64")  # each has room for one relation
        (event,) = watch.events()
        assert "1 tenants need 3" in cause(event)
        assert "raise max_locks_per_transaction" in cause(event)
    assert watch.tick() == recovered("lock-budget")


def test_the_platforms_own_backups(watch: Watch, put: Put, app_database: AppDatabase) -> None:
    store = watch.stack.runtime.home / "backups" / "platform"
    for file in store.glob("*/manifest.json"):
        file.unlink()
    put(None, STALE)
    assert watch.tick() == problem("stale-backup")
    put(None, NOW, "failed")
    assert watch.tick() == [*problem("failed-verification"), *recovered("stale-backup")]
    put(None, NOW, None)
    assert watch.tick() == []
    put(None, NOW)
    assert watch.tick() == recovered("failed-verification")


def test_a_new_installation_has_time_to_make_its_first_backup(
    stack: Stack, app_database: AppDatabase
) -> None:
    watch = Watch(stack, platform_health_sensor)
    assert watch.tick() == []
    stack.tenants("acme")
    assert watch.tick() == []
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET created_at = now() - interval '27 hours'")
    assert watch.tick() == problem("stale-backup")
