import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterEventType, DagsterInstance, EventLogEntry
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from sqlalchemy import event
from sqlalchemy.exc import ProgrammingError

from agentarmy_ops.backups.create import BackupOutcome
from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_dagster import Stack

SLUGS = ("acme", "globex", "initech")
BACKUP = AssetKey("tenant_backup")
LONGEST_WAIT = 60  # seconds


def log_line(message: str, run_id: str) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None, level=20, user_message=message, run_id=run_id, timestamp=time.time()
    )


@pytest.fixture
def storage(
    live_server: ConnInfo, new_database: Callable[[ConnInfo], ConnInfo]
) -> Iterator[OpsEventLogStorage]:
    storage = OpsEventLogStorage(new_database(live_server).url)
    yield storage
    storage.dispose()


def messages(storage: OpsEventLogStorage, run_id: str) -> list[str]:
    reader = OpsEventLogStorage(storage.postgres_url)
    found = [entry.user_message for entry in reader.get_logs_for_run(run_id)]
    reader.dispose()
    return found


def test_a_tenant_is_recorded_while_the_next_is_still_being_backed_up(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants(*SLUGS)
    module = sys.modules["agentarmy_ops.orchestration.assets.tenant_backup"]
    engine: Callable[..., Iterator[BackupOutcome]] = module.back_up_tenants
    seen, first = threading.Event(), []

    def blocking(*arguments: Any, **keywords: Any) -> Iterator[BackupOutcome]:
        outcomes = engine(*arguments, **keywords)
        outcome = next(outcomes)
        first.append(outcome.tenant.slug)
        yield outcome
        assert seen.wait(LONGEST_WAIT)
        yield from outcomes

    monkeypatch.setattr(module, "back_up_tenants", blocking)
    ended, recorded = threading.Event(), set[str]()

    def look() -> None:
        with DagsterInstance.get() as other:
            while not recorded and not ended.wait(0.05):
                recorded.update(other.get_materialized_partitions(BACKUP))
        seen.set()

    thread = threading.Thread(target=look)
    thread.start()
    result = stack.run("backup_tenants", partitions=("acme", "initech"), assets=["tenant_backup"])
    ended.set()
    thread.join()
    assert result.success
    assert recorded == set(first)
    assert stack.instance.get_materialized_partitions(BACKUP) == set(SLUGS)


def test_a_run_has_its_events_in_their_order_and_the_asset_its_newest(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    result = stack.run("backup_tenants", partitions=("acme", "initech"), assets=["tenant_backup"])
    with DagsterInstance.get() as other:
        entries = other.all_logs(result.run_id)
        newest = other.get_latest_materialization_event(BACKUP)
        tags = other.event_log_storage.get_latest_tags_by_partition(
            BACKUP, DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
        )
    assert [entry.timestamp for entry in entries] == sorted(entry.timestamp for entry in entries)
    kinds = [entry.dagster_event_type for entry in entries if entry.is_dagster_event]
    assert kinds.count(DagsterEventType.ASSET_MATERIALIZATION) == len(SLUGS)
    assert kinds[-1] is DagsterEventType.RUN_SUCCESS
    last = result.asset_materializations_for_node("tenant_backup")[-1]
    assert newest is not None
    assert newest.asset_materialization == last
    assert tags[last.partition or ""] == last.tags
    assert set(tags) == set(SLUGS)


def test_the_partitions_of_a_run_are_planned_at_once(stack: Stack) -> None:
    slugs = [f"tenant-{number:03}" for number in range(100)]
    stack.instance.add_dynamic_partitions(PARTITIONS_NAME, slugs)
    storage = stack.instance.event_log_storage
    assert isinstance(storage, OpsEventLogStorage)
    statements: list[str] = []
    event.listen(
        storage._engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )
    run = stack.instance.create_run_for_job(
        job_def=defs.resolve_job_def("backup_tenants"),
        tags={ASSET_PARTITION_RANGE_START_TAG: slugs[0], ASSET_PARTITION_RANGE_END_TAG: slugs[-1]},
    )
    storage.write_collected()
    assert sum("INSERT INTO event_logs" in statement for statement in statements) < 5
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        BACKUP
    )
    assert {partition: run_id for partition, (run_id, _) in attempts.items()} == dict.fromkeys(
        slugs, run.run_id
    )
    assert stack.instance.get_latest_planned_materialization_info(AssetKey("platform_backup"))


def test_a_run_over_many_tenants_opens_few_connections(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    storage = stack.instance.event_log_storage
    assert isinstance(storage, OpsEventLogStorage)
    opened: list[object] = []
    event.listen(storage._engine, "connect", lambda connection, _: opened.append(connection))
    assert stack.run("backup_tenants", partitions=("acme", "initech")).success
    assert len(opened) <= 2  # ours, and one for a look-up beside a write


def test_what_is_reported_outside_of_a_run_is_written_at_once(stack: Stack) -> None:
    stack.instance.report_runless_asset_event(AssetMaterialization(BACKUP, partition="acme"))
    with DagsterInstance.get() as other:
        assert other.get_materialized_partitions(BACKUP) == {"acme"}


def test_what_was_collected_is_written_before_anything_that_is_not(
    storage: OpsEventLogStorage,
) -> None:
    run_id = str(uuid.uuid4())
    storage.store_event(log_line("first", run_id))
    storage.store_event(log_line("second", run_id))
    assert messages(storage, run_id) == []
    storage.write_collected()
    assert messages(storage, run_id) == ["first", "second"]


def test_what_was_collected_is_written_when_the_storage_is_closed(
    storage: OpsEventLogStorage,
) -> None:
    run_id = str(uuid.uuid4())
    storage.store_event(log_line("last words", run_id))
    storage.dispose()
    assert messages(storage, run_id) == ["last words"]


def test_what_was_collected_is_written_by_itself_a_moment_later(
    storage: OpsEventLogStorage,
) -> None:
    run_id = str(uuid.uuid4())
    storage.store_event(log_line("alone", run_id))
    assert storage._timer is not None
    storage._timer.join(LONGEST_WAIT)
    assert messages(storage, run_id) == ["alone"]


def test_an_error_of_writing_is_raised_to_who_stores_next(
    storage: OpsEventLogStorage, live_server: ConnInfo
) -> None:
    run_id = str(uuid.uuid4())
    storage.store_event(log_line("lost", run_id))
    with ConnInfo.parse(storage.postgres_url).connect() as connection:
        connection.execute("ALTER TABLE event_logs RENAME TO gone")
    storage.write_collected()
    with pytest.raises(ProgrammingError, match="event_logs"):
        storage.store_event(log_line("next", run_id))
    with ConnInfo.parse(storage.postgres_url).connect() as connection:
        connection.execute("ALTER TABLE gone RENAME TO event_logs")
    storage.store_event(log_line("again", run_id))
    storage.write_collected()
    assert messages(storage, run_id) == ["again"]


def test_a_server_that_was_restarted_is_connected_to_again(
    storage: OpsEventLogStorage, live_server: ConnInfo
) -> None:
    run_id = str(uuid.uuid4())
    storage.store_event(log_line("before", run_id))
    storage.write_collected()
    with live_server.connect(autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [ConnInfo.parse(storage.postgres_url).params["dbname"]],
        )
    storage.store_event(log_line("after", run_id))
    storage.write_collected()
    storage.store_event(log_line("still", run_id))
    storage.write_collected()
    assert messages(storage, run_id) == ["before", "after", "still"]
