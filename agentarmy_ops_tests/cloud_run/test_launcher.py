"""What the launcher makes of what Google answers."""

from collections.abc import Callable

import grpc
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import DagsterEvent
from dagster._core.launcher.base import WorkerStatus
from dagster_contrib_gcp.cloud_run.run_launcher import (
    CloudRunRunLauncher,
)
from google.api_core.exceptions import NotFound

from agentarmy_ops.orchestration.cloud_run import OpsCloudRunLauncher
from agentarmy_ops_tests.cloud_run.double import Started
from agentarmy_ops_tests.fix_cloud_run import JOB, Deployment

_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
_QUOTA = "Quota exceeded for quota metric 'Job run requests' and limit 'Job run requests per minute"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """Executions end when a test says so."""
    deployment.api.environment = None
    launcher = _launcher(deployment)
    launcher.run_job_retry_wait, launcher.run_job_retry_timeout = 0, 60
    return deployment


def _launcher(deployment: Deployment) -> OpsCloudRunLauncher:
    launcher = deployment.instance.run_launcher
    assert isinstance(launcher, OpsCloudRunLauncher)
    return launcher


def _started(deployment: Deployment) -> tuple[str, Started]:
    """A run whose worker has begun, and its execution."""
    run_id = deployment.launch("acme")
    deployment.dequeue()
    event = DagsterEvent("PIPELINE_START", "backup_tenants")
    deployment.instance.report_dagster_event(event, run_id)
    assert deployment.run(run_id).status is DagsterRunStatus.STARTED
    return run_id, list(deployment.api.executions.values())[-1]


def test_a_quota_that_is_used_up_for_a_moment_only_delays(deployment: Deployment) -> None:
    deployment.api.fail("RunJob", _EXHAUSTED, times=3, details=_QUOTA)
    run_id = deployment.launch("acme")
    deployment.dequeue()
    assert deployment.api.calls == ["RunJob"] * 4
    assert deployment.run(run_id).status is DagsterRunStatus.STARTING
    assert next(iter(deployment.api.executions)).startswith(f"{JOB}/executions/")


def test_a_run_that_cannot_be_started_fails_in_one_line(deployment: Deployment) -> None:
    api = deployment.api
    _launcher(deployment).run_job_retry_timeout = 0
    cases: list[tuple[Callable[[], object], str]] = [
        (
            lambda: api.fail("RunJob", _EXHAUSTED, times=1, details=_QUOTA),
            f"RESOURCE_EXHAUSTED: {_QUOTA}; Google's quota of job runs a minute was used up",
        ),
        (
            lambda: api.fail("RunJob", _UNAVAILABLE),
            "UNAVAILABLE: injected; try again later",
        ),
        (
            lambda: api.fail("RunJob", grpc.StatusCode.UNAUTHENTICATED),
            "UNAUTHENTICATED: injected; no usable Google credentials",
        ),
        (
            api.jobs.clear,
            "NOT_FOUND: Resource 'agentarmy-run-worker' was not found; it does not exist in this "
            "project and region; deploy it",
        ),
        (
            lambda: api.denied.add("run.jobs.runWithOverrides"),
            f"PERMISSION_DENIED: Permission 'run.jobs.runWithOverrides' denied on resource '{JOB}' "
            "(or resource may not exist).; the service account of this process may not; grant it",
        ),
    ]
    for spoil, said in cases:
        spoil()
        run_id = deployment.launch("acme")
        deployment.dequeue()
        assert deployment.run(run_id).status is DagsterRunStatus.FAILURE, said
        line = f"RunLaunchError: cannot start run {run_id} as an execution of Cloud Run job {JOB}: "
        (told,) = [t for t in deployment.says(run_id) if "RunLaunchError" in t]
        assert f"{line}{said}" in told
        assert "google/api_core" not in told
        assert "tenacity" not in told
    assert not api.executions


def test_how_a_worker_goes(deployment: Deployment) -> None:
    cases: list[tuple[int | None, bool, WorkerStatus, str]] = [
        (None, False, WorkerStatus.RUNNING, ""),
        (None, True, WorkerStatus.RUNNING, ""),  # cancelled, and not yet ended
        (0, False, WorkerStatus.SUCCESS, ""),
        (137, False, WorkerStatus.FAILED, "failed: Task"),
        (0, True, WorkerStatus.FAILED, "was cancelled: Task"),
    ]
    for exit_code, cancelled, status, why in cases:
        run_id, execution = _started(deployment)
        execution.exit_code, execution.cancelled = exit_code, cancelled
        found = _launcher(deployment).check_run_worker_health(deployment.run(run_id))
        assert found.status is status
        assert why in (found.msg or "")
        assert not deployment.monitor()
        failed = status is WorkerStatus.FAILED
        assert deployment.run(run_id).status is (
            DagsterRunStatus.FAILURE if failed else DagsterRunStatus.STARTED
        )
        deployment.instance.report_run_failed(deployment.run(run_id))


def test_a_run_goes_on_while_google_cannot_be_asked(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    run_id, execution = _started(deployment)
    denied = grpc.StatusCode.PERMISSION_DENIED
    for code in (_UNAVAILABLE, _EXHAUSTED, denied, grpc.StatusCode.INTERNAL):
        deployment.api.fail("GetExecution", code)
        assert not deployment.monitor()
        assert deployment.run(run_id).status is DagsterRunStatus.STARTED
        assert f"cannot ask how {execution.name} goes: {code.name}: injected" in caplog.text


def test_a_run_whose_execution_was_not_written_down_goes_on_and_one_that_is_gone_does_not(
    deployment: Deployment,
) -> None:
    run_id, execution = _started(deployment)
    run, launcher = deployment.run(run_id), _launcher(deployment)
    found = launcher.check_run_worker_health(run.with_tags({}))
    assert (found.status, found.msg) == (WorkerStatus.RUNNING, "its execution is not known")
    # Why the launcher is not used as it comes; when this fails, it may be. Dagster fails a run
    # whose worker is not known to run, and gets no further with one about which this raises.
    stock = CloudRunRunLauncher.check_run_worker_health
    deployment.api.fail("GetExecution", _UNAVAILABLE)
    assert stock(launcher, run).status is WorkerStatus.UNKNOWN
    deployment.api.executions.clear()
    with pytest.raises(NotFound):
        stock(launcher, run)
    assert not deployment.monitor()
    assert deployment.run(run_id).status is DagsterRunStatus.FAILURE
    assert any(f"{execution.name} does not exist" in said for said in deployment.says(run_id))
    # It has ended, and is not terminated.
    assert not launcher.terminate(run_id)
    assert "CancelExecution" not in deployment.api.calls


def test_terminating_is_left_to_the_worker_to_report(deployment: Deployment) -> None:
    run_id, execution = _started(deployment)
    assert deployment.terminate(run_id)["__typename"] == "TerminateRunSuccess"
    assert execution.cancelled
    assert deployment.run(run_id).status is DagsterRunStatus.CANCELING
    assert not deployment.monitor()
    assert deployment.run(run_id).status is DagsterRunStatus.CANCELING


def test_a_run_that_cannot_be_terminated_stays_as_it_is_and_says_why(
    deployment: Deployment,
) -> None:
    run_id, execution = _started(deployment)
    api = deployment.api
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: api.fail("CancelExecution", _UNAVAILABLE), "UNAVAILABLE: injected; try again"),
        (lambda: setattr(execution, "exit_code", 0), "has ended: FAILED_PRECONDITION"),
        (api.executions.clear, "has ended: NOT_FOUND"),
        (lambda: api.denied.add("run.executions.cancel"), "run.executions.cancel on the job"),
    ]
    for spoil, why in cases:
        spoil()
        assert deployment.terminate(run_id)["__typename"] == "TerminateRunFailure"
        assert not execution.cancelled
        assert deployment.run(run_id).status is DagsterRunStatus.STARTED
        says = deployment.says(run_id)
        assert any("Not terminated: " in said and why in said for said in says), why


def test_a_run_that_takes_too_long_is_cancelled_and_fails(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, execution = _started(deployment)
    monkeypatch.setattr(type(deployment.instance), "run_monitoring_max_runtime_seconds", 1e-9)
    assert not deployment.monitor()
    assert execution.cancelled
    assert deployment.run(run_id).status is DagsterRunStatus.FAILURE
    assert any("maximum runtime" in said for said in deployment.says(run_id))
