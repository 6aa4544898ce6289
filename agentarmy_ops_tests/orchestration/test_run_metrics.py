"""Metrics of Dagster's own record, held against what Dagster says of it."""

from datetime import UTC, datetime

import sqlalchemy
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.types import DaemonHeartbeat
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from agentarmy_ops.orchestration.run_metrics import DagsterMetrics
from agentarmy_ops_tests.fix_dagster import Stack

_REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("somewhere"), "something")
Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(metrics: DagsterMetrics) -> Samples:
    """Values by name, without what all begin with, and by labels' values."""
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return {
        (
            sample.name.removeprefix("agentarmy_dagster_"),
            tuple(sample.labels.values()),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_an_instance_that_did_nothing_yet(stack: Stack) -> None:
    metrics = DagsterMetrics(stack.instance)
    assert samples(metrics) == {}
    metrics.refresh_now()
    found = samples(metrics)
    assert abs(found.pop(("read_timestamp_seconds", ())) - datetime.now(UTC).timestamp()) < 60
    assert found == {("read_failed", ()): 0, ("queued_runs", ()): 0}


def test_runs_queue_and_daemons(stack: Stack) -> None:
    instance = stack.instance
    for job, status in (
        ("backup_tenants", DagsterRunStatus.SUCCESS),
        ("backup_tenants", DagsterRunStatus.SUCCESS),
        ("backup_tenants", DagsterRunStatus.FAILURE),
        ("verify_restores", DagsterRunStatus.STARTED),
        ("backup_tenants", DagsterRunStatus.QUEUED),
        ("prune_backups", DagsterRunStatus.QUEUED),
    ):
        origin = RemoteJobOrigin(_REPOSITORY, job)
        create_run_for_test(instance, job_name=job, status=status, remote_job_origin=origin)
    beat_at = datetime.now(UTC).timestamp() - 100
    instance.add_daemon_heartbeat(DaemonHeartbeat(beat_at, "SENSOR", "an id", []))
    instance.add_daemon_heartbeat(DaemonHeartbeat(beat_at, "NO_LONGER_NEEDED", "an id", []))
    metrics = DagsterMetrics(instance)
    metrics.refresh_now()
    found = samples(metrics)
    for status in DagsterRunStatus:
        for job in ("backup_tenants", "verify_restores", "prune_backups"):
            counted = instance.get_runs_count(RunsFilter(job_name=job, statuses=[status]))
            assert found.get(("runs", (job, status.value)), 0) == counted
    assert sum(value for (name, _), value in found.items() if name == "runs") == 6
    assert found["queued_runs", ()] == 2
    beats = {labels: at for (name, labels), at in found.items() if name.startswith("daemon_")}
    assert beats == {("SENSOR",): beat_at}
    oldest, _ = instance.get_run_records(
        RunsFilter(statuses=[DagsterRunStatus.QUEUED]), ascending=True
    )
    assert oldest.dagster_run.job_name == "backup_tenants"
    queued_at = oldest.create_timestamp.timestamp()
    assert found["oldest_queued_run_timestamp_seconds", ()] == queued_at
    assert abs(queued_at - datetime.now(UTC).timestamp()) < 60


def rename(instance: DagsterInstance, old: str, new: str) -> None:
    assert isinstance(instance.run_storage, SqlRunStorage)
    with instance.run_storage.connect() as connection:
        connection.execute(sqlalchemy.text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_a_storage_that_cannot_be_read(stack: Stack) -> None:
    instance = stack.instance
    metrics = DagsterMetrics(instance)
    rename(instance, "runs", "runs_away")
    metrics.refresh_now()
    assert samples(metrics) == {("read_failed", ()): 1}
    rename(instance, "runs_away", "runs")
    create_run_for_test(instance, job_name="backup_tenants", status=DagsterRunStatus.SUCCESS)
    metrics.refresh_now()
    good = samples(metrics)
    assert good["read_failed", ()] == 0
    rename(instance, "runs", "runs_away")
    metrics.refresh_now()
    # What was known stays, with its time.
    assert samples(metrics) == {**good, ("read_failed", ()): 1}
    assert metrics.error == 'cannot read Dagster\'s storage: relation "runs" does not exist'
