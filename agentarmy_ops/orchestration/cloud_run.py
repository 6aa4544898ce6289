"""Runs as executions of a Cloud Run job: where Dagster's launcher would mislead."""

import logging
from typing import Any

import tenacity
from dagster import DagsterRun
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster_contrib_gcp.cloud_run.run_launcher import (
    CloudRunRunLauncher,
)
from google.api_core.exceptions import (
    FailedPrecondition,
    Forbidden,
    GoogleAPICallError,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import run_v2

from agentarmy_ops.errors import RunLaunchError

_EXECUTION_TAG = "cloud_run_job_execution_id"
_FAILURES = (GoogleAPICallError, GoogleAuthError)
# The client's own default is to wait for ever, in the daemon's one thread.
_CALL_SECONDS = 30.0
_log = logging.getLogger(__name__)


class OpsCloudRunLauncher(CloudRunRunLauncher):  # type: ignore[misc]
    """``CloudRunRunLauncher`` that fails a run only when Google says that its execution has
    ended, and that leaves it to the worker to say that it was cancelled.

    Dagster fails a run whose worker is not known to be running: with the launcher as it comes, a
    single 503 from Google would fail a night's run whose worker goes on, and an execution that
    is gone would keep its run and its place in the queue for ever. What else differs is in
    ``docs/cloud-run.md#the-launcher``.
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start an execution for the run.

        Raises:
            RunLaunchError: Google does not, or not within the time of ``run_job_retry``.
        """
        try:
            super().launch_run(context)
        except tenacity.RetryError as error:
            refused = error.last_attempt.exception() or error
        except _FAILURES as error:
            refused = error
        else:
            return
        # Outside of the handlers, so that the run's log has this line and no stack of Google's.
        raise RunLaunchError(
            f"cannot start run {context.dagster_run.run_id} as an execution of Cloud Run job "
            f"{self._job_of(context.dagster_run)}: {self._why(refused)}"
        )

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """What Google says of the run's execution. Whoever cannot be asked is taken to run:
        ``max_runtime_seconds`` ends that."""
        name = self._execution_of(run)
        if name is None:
            # The daemon ended between starting the execution and writing its name down.
            return _running("its execution is not known")
        try:
            execution = self.executions_client.get_execution(
                run_v2.GetExecutionRequest(name=name), timeout=_CALL_SECONDS
            )
        except NotFound:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"execution {name} does not exist")
        except _FAILURES as error:
            _log.warning("cannot ask how %s goes: %s", name, _reason(error))
            return _running(f"its execution cannot be asked for: {_reason(error)}")
        if execution.failed_count or execution.cancelled_count:
            return CheckRunHealthResult(WorkerStatus.FAILED, _end_of(execution))
        if execution.succeeded_count:
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        return _running()

    def terminate(self, run_id: str) -> bool:
        """Ask Google to cancel the run's execution; whether it will. The worker is sent SIGTERM
        and says itself that it was cancelled; ``cancel_timeout_seconds`` says it for one that
        cannot."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        name = self._execution_of(run)
        if name is None:
            return self._left_alone(run, "its execution is not known")
        try:
            # Once only to be told whether it could: a run that is marked as being cancelled is
            # marked as cancelled some time later, whatever its worker does.
            self._cancel(name, validate_only=True)
            # Before the signal: a worker that is told to end without this says it was killed.
            self._instance.report_run_canceling(run)
            self._cancel(name)
        except (NotFound, FailedPrecondition) as error:
            # The monitor of runs finds out how.
            return self._left_alone(run, f"execution {name} has ended: {_reason(error)}")
        except _FAILURES as error:
            return self._left_alone(run, f"cannot cancel execution {name}: {self._why(error)}")
        return True

    def _cancel(self, name: str, *, validate_only: bool = False) -> None:
        self.executions_client.cancel_execution(
            run_v2.CancelExecutionRequest(name=name, validate_only=validate_only),
            timeout=_CALL_SECONDS,
        )

    def _left_alone(self, run: DagsterRun, why: str) -> bool:
        self._instance.report_engine_event(f"Not terminated: {why}", run, cls=type(self))
        return False

    def _job_of(self, run: DagsterRun) -> str:
        origin = run.remote_job_origin
        name: str = self.fully_qualified_job_name(origin.location_name if origin else "")
        return name

    def _execution_of(self, run: DagsterRun) -> str | None:
        execution = run.tags.get(_EXECUTION_TAG)
        return f"{self._job_of(run)}/executions/{execution}" if execution else None

    def _why(self, error: BaseException) -> str:
        """The reason, and what to do about it."""
        match error:
            case ResourceExhausted():
                what = (
                    f"Google's quota of job runs a minute was used up for all of "
                    f"{self.run_job_retry_timeout} s; ask Google for more of it, or let fewer "
                    "runs start at once (docs/cloud-run.md#quotas)"
                )
            case Forbidden():
                what = (
                    "the service account of this process may not; grant it run.jobs.run, "
                    "run.jobs.runWithOverrides, run.executions.get and run.executions.cancel on "
                    "the job"
                )
            case NotFound():
                what = "it does not exist in this project and region; deploy it"
            case Unauthenticated() | GoogleAuthError():
                what = "no usable Google credentials; run this as a service account"
            case _:
                what = "try again later"
        return f"{_reason(error)}; {what}"


def _running(why: str | None = None) -> CheckRunHealthResult:
    return CheckRunHealthResult(WorkerStatus.RUNNING, why)


def _reason(error: BaseException) -> str:
    """Google's word for it and the first line of what it says besides."""
    code: Any = getattr(error, "grpc_status_code", None)
    said = str(getattr(error, "message", None) or error).splitlines()[:1]
    return ": ".join([code.name if code else type(error).__name__, *said])


def _end_of(execution: run_v2.Execution) -> str:
    """How an execution ended, as its conditions tell it."""
    how = "was cancelled" if execution.cancelled_count else "failed"
    said = next((c.message for c in execution.conditions if c.type_ == "Completed"), "")
    return f"execution {execution.name} {how}{': ' if said else ''}{said}"
