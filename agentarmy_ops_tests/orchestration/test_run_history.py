"""What of old runs goes, and what stays, in Dagster's own tables."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    ExecuteInProcessResult,
    OpExecutionContext,
    RunRequest,
    SkipReason,
    build_schedule_context,
    job,
    op,
)
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration import run_history
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.run_history import prune_runs
from agentarmy_ops.orchestration.schedules import nightly_run_history_prune
from agentarmy_ops.orchestration.staleness import recorded_backups
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_dagster import Stack, failure_of

BACKUP = AssetKey("tenant_backup")
PLATFORM = AssetKey("platform_backup")
BEFORE = datetime.now(UTC) - timedelta(days=90)
SLUGS = ("acme", "globex", "initech")
VERSION = "dagster/data_version"

Event = AssetMaterialization | AssetObservation
History = dict[str, Counter[str]]
Record = Callable[..., str]


def backup(slug: str | None, version: str) -> AssetMaterialization:
    key = BACKUP if slug else PLATFORM
    return AssetMaterialization(key, partition=slug, tags={VERSION: version})


@pytest.fixture
def record(stack: Stack) -> Record:
    """Make a run that records these events and ended so many days ago; its id."""
    stack.instance.add_dynamic_partitions(PARTITIONS_NAME, SLUGS)

    def make(*events: Event, days_ago: float = 0, tags: dict[str, str] | None = None) -> str:
        @op
        def recording(context: OpExecutionContext) -> None:
            for event in events:
                context.log.info("one is done")
                context.log_event(event)

        @job
        def night() -> None:
            recording()

        result = night.execute_in_process(instance=stack.instance, tags=tags)
        age(stack.instance, result.run_id, days_ago)
        return result.run_id

    return make


def storage(instance: DagsterInstance) -> ConnInfo:
    url: str = instance.event_log_storage.postgres_url  # type: ignore[attr-defined]
    return ConnInfo.parse(url)


def age(instance: DagsterInstance, run_id: str, days: float) -> None:
    with storage(instance).connect() as connection:
        connection.execute(
            "UPDATE runs SET start_time = start_time - %(s)s, end_time = end_time - %(s)s,"
            " create_timestamp = create_timestamp - make_interval(secs => %(s)s),"
            " update_timestamp = update_timestamp - make_interval(secs => %(s)s)"
            " WHERE run_id = %(run)s",
            {"s": days * 86400, "run": run_id},
        )


def history(instance: DagsterInstance) -> History:
    """Of each run that has events, how many of each kind."""
    with storage(instance).connect() as connection:
        rows = connection.execute(
            "SELECT run_id, coalesce(dagster_event_type, 'LINE'), count(*) FROM event_logs"
            " WHERE run_id <> '' GROUP BY 1, 2"
        ).fetchall()
    found: History = {}
    for run_id, kind, count in rows:
        found.setdefault(run_id, Counter())[kind] = count
    return found


def count(instance: DagsterInstance, what: str) -> int:
    with storage(instance).connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM {what}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def prune(stack: Stack, *, apply: bool = True) -> dict[str, Any]:
    """Run the job; its totals."""
    result = run(stack, apply=apply)
    assert result.success
    (output,) = result.filter_events(lambda event: event.is_successful_output)
    found = {name: value.value for name, value in output.step_output_data.metadata.items()}
    stack.instance.delete_run(result.run_id)
    assert found.pop("applied") == apply
    ended = datetime.fromisoformat(str(found.pop("ended_before")))
    assert abs(ended - BEFORE) < timedelta(hours=1)
    return found


def run(stack: Stack, **config: Any) -> ExecuteInProcessResult:
    return stack.run("prune_run_history", ops={"prune_history": {"config": config}})


def what_people_see(instance: DagsterInstance) -> tuple[object, ...]:
    newest = [instance.get_latest_materialization_event(key) for key in (BACKUP, PLATFORM)]
    return (
        instance.get_materialized_partitions(BACKUP),
        recorded_backups(instance, BACKUP),
        [event and (event.run_id, event.asset_materialization) for event in newest],
        instance.all_asset_keys(),
        instance.get_latest_storage_id_by_partition(BACKUP, DagsterEventType.ASSET_MATERIALIZATION),
    )


def test_a_run_all_of_whose_partitions_have_newer_events_goes_with_all_it_left(
    stack: Stack, record: Record
) -> None:
    old = record(*(backup(slug, "1") for slug in (*SLUGS, None)), days_ago=91, tags={"a": "b"})
    new = record(*(backup(slug, "2") for slug in (*SLUGS, None)), days_ago=89)
    before, seen = history(stack.instance), what_people_see(stack.instance)
    found = prune(stack)
    assert found == {
        "runs": 1,
        "events": before[old].total(),
        "runs_kept_for_their_newest": 0,
    }
    assert history(stack.instance) == {new: before[new]}
    assert what_people_see(stack.instance) == seen
    assert stack.instance.get_run_by_id(old) is None
    assert stack.instance.get_run_by_id(new) is not None
    orphans = "asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)"
    assert count(stack.instance, orphans) == 0
    assert count(stack.instance, "asset_event_tags") > 0
    assert count(stack.instance, f"run_tags WHERE run_id = '{old}'") == 0


def test_without_apply_it_is_counted_and_stays(stack: Stack, record: Record) -> None:
    record(*(backup(slug, "1") for slug in (*SLUGS, None)), days_ago=91)
    record(*(backup(slug, "2") for slug in SLUGS), days_ago=91)
    record(backup("acme", "3"))
    before = history(stack.instance)
    counted = prune(stack, apply=False)
    assert history(stack.instance) == before
    assert prune(stack) == counted
    assert counted["runs_kept_for_their_newest"] == 2


def test_of_a_run_that_has_a_newest_event_this_its_beginning_and_its_end_stay(
    stack: Stack, record: Record
) -> None:
    old = record(*(backup(slug, "1") for slug in SLUGS), days_ago=100)
    record(backup("acme", "2"), backup("globex", "2"))
    seen = what_people_see(stack.instance)
    assert prune(stack)["runs_kept_for_their_newest"] == 1
    assert history(stack.instance)[old] == Counter(
        ASSET_MATERIALIZATION=1, PIPELINE_START=1, PIPELINE_SUCCESS=1
    )
    assert what_people_see(stack.instance) == seen
    kept = stack.instance.get_run_by_id(old)
    assert kept is not None
    assert kept.is_success
    assert prune(stack) == {"runs": 0, "events": 0, "runs_kept_for_their_newest": 1}


def test_only_what_is_newest_of_something_that_is_there_stays(stack: Stack, record: Record) -> None:
    stack.instance.add_dynamic_partitions(PARTITIONS_NAME, ["gone"])
    runs = {
        "the platform's first": record(backup(None, "1"), days_ago=100),
        "the platform's last": record(backup(None, "2"), days_ago=100),
        "a backup": record(backup("acme", "1"), days_ago=100),
        "the first observation": record(AssetObservation(BACKUP, partition="acme"), days_ago=100),
        "the last observation": record(AssetObservation(BACKUP, partition="acme"), days_ago=100),
        "of a tenant that is gone": record(backup("gone", "1"), days_ago=100),
        "of another location": record(AssetMaterialization("x", partition="2026"), days_ago=100),
    }
    stack.instance.delete_dynamic_partition(PARTITIONS_NAME, "gone")
    prune(stack)
    left = set(history(stack.instance))
    assert {name for name, run_id in runs.items() if run_id in left} == {
        "the platform's last",
        "a backup",
        "the last observation",
        "of another location",
    }
    for run_id in runs.values():
        assert (stack.instance.get_run_by_id(run_id) is not None) == (run_id in left)


def test_a_run_that_has_not_ended_stays_however_old(stack: Stack, record: Record) -> None:
    def made(status: DagsterRunStatus, days: float) -> str:
        job = defs.resolve_job_def("prune_backups")
        run = stack.instance.create_run_for_job(job, status=status)
        age(stack.instance, run.run_id, days)
        return run.run_id

    def of_a_backfill(name: str, status: BulkActionStatus) -> str:
        stack.instance.add_backfill(
            PartitionBackfill(
                backfill_id=name,
                status=status,
                from_failure=False,
                tags={},
                backfill_timestamp=0.0,
                asset_selection=[BACKUP],
                serialized_asset_backfill_data="{}",
            )
        )
        return record(days_ago=100, tags={"dagster/backfill": name})

    stays = [
        made(DagsterRunStatus.NOT_STARTED, 1000),
        made(DagsterRunStatus.STARTED, 1000),
        made(DagsterRunStatus.CANCELED, 89),
        of_a_backfill("under-way", BulkActionStatus.REQUESTED),
    ]
    goes = [
        made(DagsterRunStatus.CANCELED, 91),  # it never began, and has no end
        of_a_backfill("done", BulkActionStatus.COMPLETED_SUCCESS),
    ]
    assert prune(stack)["runs"] == len(goes)
    assert [run_id for run_id in stays + goes if stack.instance.get_run_by_id(run_id)] == stays


class PoweredOffError(Exception):
    """As if the process were gone."""


class Fragile:
    """A connection that is lost after so many statements."""

    def __init__(self, connection: Any, left: int) -> None:
        self._connection, self._left = connection, left

    def execute(self, *arguments: Any) -> Any:
        if not self._left:
            raise PoweredOffError
        self._left -= 1
        return self._connection.execute(*arguments)


def test_interrupted_anywhere_it_does_no_harm_and_goes_on_the_next_time(
    stack: Stack, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_history, "_RUNS_AT_ONCE", 2)
    monkeypatch.setattr(run_history, "_EVENTS_AT_ONCE", 5)
    for version in "123":
        record(*(backup(slug, version) for slug in SLUGS), days_ago=100)
    kept = record(backup("initech", "4"), days_ago=100)
    new = record(backup("acme", "5"), backup("globex", "5"))
    seen, statements = what_people_see(stack.instance), 0
    with storage(stack.instance).connect(autocommit=True) as connection:
        while True:
            try:
                fragile: Any = Fragile(connection, statements)
                list(prune_runs(fragile, BEFORE, apply=True))
                break
            except PoweredOffError:
                statements += 1
            assert what_people_see(stack.instance) == seen
            for run_id in history(stack.instance):
                assert stack.instance.get_run_by_id(run_id), "events whose run nobody finds"
    assert statements > 5
    assert set(history(stack.instance)) == {kept, new}


def test_what_the_runs_printed_goes_too(stack: Stack, record: Record) -> None:
    old, new = record(days_ago=100), record()
    logs = stack.instance.compute_log_manager
    assert isinstance(logs, LocalComputeLogManager)
    for run_id in (old, new):
        with logs.open_log_stream([run_id, "compute_logs", "x"], ComputeIOType.STDERR) as stream:
            assert stream is not None
            stream.write("a line")
    prune(stack, apply=False)
    assert logs.get_log_data([old, "compute_logs", "x"]).stderr == b"a line"
    prune(stack)
    assert logs.get_log_data([old, "compute_logs", "x"]).stderr is None
    assert logs.get_log_data([new, "compute_logs", "x"]).stderr == b"a line"


def test_real_nights_are_pruned_and_their_health_is_read_as_before(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    nights = [stack.run("backup_tenants", partitions=("acme", "initech")) for _ in range(2)]
    seen = what_people_see(stack.instance)
    age(stack.instance, nights[0].run_id, 100)
    assert prune(stack)["runs"] == 1
    assert what_people_see(stack.instance) == seen
    assert seen[0] == set(SLUGS)


def test_of_another_storage_nothing_is_touched() -> None:
    with DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("prune_run_history").execute_in_process(
            instance=instance, raise_on_error=False
        )
    assert "Dagster's storage is not PostgreSQL: nothing was pruned" in failure_of(result)


def test_a_storage_that_refuses_fails_the_run_with_one_line(stack: Stack) -> None:
    with storage(stack.instance).connect() as connection:
        connection.execute("ALTER TABLE bulk_actions RENAME TO gone")
    assert failure_of(run(stack, apply=True)).startswith("cannot prune Dagster's storage: ")


def test_the_schedule_prunes_and_never_overlaps_itself(stack: Stack) -> None:
    job = defs.resolve_job_def("prune_run_history")
    stack.instance.create_run_for_job(job, status=DagsterRunStatus.SUCCESS)
    answer = nightly_run_history_prune(build_schedule_context(instance=stack.instance))
    assert isinstance(answer, RunRequest)
    assert run(stack, **answer.run_config["ops"]["prune_history"]["config"]).success
    stack.instance.create_run_for_job(job, status=DagsterRunStatus.STARTED)
    answer = nightly_run_history_prune(build_schedule_context(instance=stack.instance))
    assert isinstance(answer, SkipReason)
