"""Backups that go the whole way: UI, queue, daemon, Cloud Run's API, a worker of its own."""

import signal

from dagster import DagsterEventType, DagsterRunStatus

from agentarmy_ops.backups.catalog import latest_backup, list_backups, load_manifest
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.lock import TenantLocks
from agentarmy_ops_tests.cloud_run.double import Started
from agentarmy_ops_tests.deploy.programs import until
from agentarmy_ops_tests.fix_cloud_run import JOB, Deployment
from agentarmy_ops_tests.fix_gcs import Gcs

_LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
    "WHERE locktype = 'advisory' AND datname = current_database()"
)
_WAITING = f"{_LOCKS} AND NOT granted"


def _execution_of(deployment: Deployment, run_id: str) -> Started:
    tag = deployment.run(run_id).tags["cloud_run_job_execution_id"]
    return deployment.api.executions[f"{JOB}/executions/{tag}"]


def test_a_run_is_an_execution_that_backs_up_a_tenant(deployment: Deployment, gcs: Gcs) -> None:
    deployment.provision("acme")
    run_id = deployment.launch("acme")
    assert deployment.run(run_id).status is DagsterRunStatus.QUEUED
    assert not deployment.api.executions
    deployment.dequeue()
    execution = _execution_of(deployment, run_id)
    assert execution.args[:3] == ["dagster", "api", "execute_run"]
    assert execution.timeout_seconds == 21600
    assert not deployment.monitor()
    assert execution.wait() == 0
    assert not deployment.monitor()
    assert deployment.run(run_id).status is DagsterRunStatus.SUCCESS, deployment.says(run_id)
    store = Runtime().store
    assert load_manifest(store, latest_backup(store, "acme").ref).run_id == run_id
    # What it printed is in the bucket of logs, and read from there; each object written once.
    (captured,) = deployment.instance.all_logs(run_id, of_type=DagsterEventType.LOGS_CAPTURED)
    key = captured.get_dagster_event().logs_captured_data.file_key
    log = deployment.instance.compute_log_manager.get_log_data([run_id, "compute_logs", key])
    assert log.stderr is not None
    assert "acme" in log.stderr.decode()
    assert sorted(gcs.content.objects) == [
        f"dagster/storage/{run_id}/compute_logs/{key}.{kind}" for kind in ("err", "out")
    ]
    assert "delete" not in gcs.requests()


def test_a_worker_that_dies_fails_its_run_and_one_that_is_cancelled_says_so_itself(
    deployment: Deployment,
) -> None:
    assert deployment.api.environment is not None
    deployment.api.environment = {**deployment.api.environment, "LOCK_TIMEOUT_SECONDS": "300"}
    slugs = ["acme", "globex"]
    with Runtime().backup.connect(autocommit=True) as held:
        locks = TenantLocks(held)
        for slug in slugs:
            deployment.provision(slug)
        assert locks.try_all(slugs) == frozenset(slugs)
        dies, cancelled = [deployment.launch(slug) for slug in slugs]
        deployment.dequeue()
        until(lambda: (held.execute(_WAITING).fetchone() or [0])[0] == 2)

        victim = _execution_of(deployment, dies)
        assert victim.process is not None
        victim.process.kill()
        assert victim.wait() == -signal.SIGKILL
        assert deployment.run(dies).status is DagsterRunStatus.STARTED
        answer = deployment.terminate(cancelled)
        assert answer["__typename"] == "TerminateRunSuccess", answer
        # Its place in the queue is not free before its worker is gone.
        assert deployment.run(cancelled).status in (
            DagsterRunStatus.CANCELING,
            DagsterRunStatus.CANCELED,
        )
        _execution_of(deployment, cancelled).wait()
        assert deployment.run(cancelled).status is DagsterRunStatus.CANCELED
        assert not deployment.monitor()
        assert deployment.run(dies).status is DagsterRunStatus.FAILURE
        assert any("failed: Task" in said for said in deployment.says(dies))
        assert deployment.run(cancelled).status is DagsterRunStatus.CANCELED
    # The session of a killed client waits on in the server; given the lock, it ends with it.
    with Runtime().backup.connect(autocommit=True) as connection:
        until(lambda: connection.execute(_LOCKS).fetchone() == (0,))
    for slug in slugs:
        assert list_backups(Runtime().store, slug) == []
