"""Runs that failed: one message to people a tick, and what no run could tell Sentry by itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import NAMESPACE_URL, uuid5

from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DefaultSensorStatus,
    EventLogRecord,
    RunsFilter,
    RunStatusChangeRecordsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from dagster_shared.error import SerializableErrorInfo

from agentarmy_ops.observability.failures import capture
from agentarmy_ops.observability.notify import Notifier, summary
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.text import one_line

# The rest follows in the next tick. Each is a query, and a tick may take a minute.
MAX_RUNS_PER_TICK = 100
_LONGEST_CAUSE = 500


@dataclass(frozen=True)
class Untold:
    """Why a run failed that its own process did not report; ``traceback`` is empty where nothing
    was raised."""

    kind: str
    cause: str
    traceback: str = ""


@dataclass(frozen=True)
class FailedRun:
    """A run that failed, and why in one line. ``untold`` is what it could not report itself: its
    process was killed, never began, or met an error that is none of ours."""

    run: DagsterRun
    cause: str
    untold: tuple[Untold, ...]


@sensor(
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Tells people of failed runs, and Sentry of those that died without a word.",
)
def run_failure_sensor(context: SensorEvaluationContext, ops: OpsResource) -> SensorResult:
    """Look at the runs that failed since the last tick, at most 100; the others' turn comes next.

    Dagster's own kind of such a sensor is called for one run at a time, for 5 runs a tick unless
    ``DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT`` says otherwise. This one sees all at once, so that
    a bad night is one message. The first tick begins with what fails from then on. Who kills a
    tick may cause a second message; in Sentry it stays one event, for it has the same id.
    """
    instance, cursor = context.instance, _parse(context.cursor)
    if cursor is None:
        newest = _failures(instance, None)
        cursor = newest[-1].storage_id if newest else 0
        return SensorResult(cursor=str(cursor), skip_reason=SkipReason("watching from now on"))
    records = _failures(instance, cursor)
    if not records:
        return SensorResult(cursor=str(cursor), skip_reason=SkipReason("no run failed"))
    failed = failed_runs(instance, records)
    for item in failed:
        _tell_sentry(item)
    if failed:
        tell_people(ops.runtime.notifier, failed)
    shown = ", ".join(f"{item.run.job_name} {item.run.run_id}" for item in failed)
    return SensorResult(
        cursor=str(records[-1].storage_id), skip_reason=SkipReason(f"failed runs: {shown}")
    )


def failed_runs(instance: DagsterInstance, records: Sequence[EventLogRecord]) -> list[FailedRun]:
    """The runs of these failure events, in their order; deleted ones are left out."""
    ids = [record.run_id for record in records]
    runs = {run.run_id: run for run in instance.get_runs(RunsFilter(run_ids=ids))}
    return [
        _look_at(instance, runs[record.run_id], record)
        for record in records
        if record.run_id in runs
    ]


def tell_people(notifier: Notifier, failed: Sequence[FailedRun]) -> None:
    """Send one message about all of these runs."""
    lines = []
    for item in failed:
        link = notifier.run_link(item.run.run_id)
        lines.append(f"{item.run.job_name}: {item.cause}" + (f"\n{link}" if link else ""))
    first = failed[0].run.job_name
    title = f"{first} failed" if len(failed) == 1 else f"{len(failed)} runs failed"
    notifier.send(title, summary(lines))


def _parse(cursor: str | None) -> int | None:
    return int(cursor) if cursor and cursor.isdecimal() else None


def _failures(instance: DagsterInstance, after: int | None) -> Sequence[EventLogRecord]:
    """Failures of runs after that event, or only the newest."""
    return instance.fetch_run_status_changes(
        RunStatusChangeRecordsFilter(
            event_type=DagsterEventType.RUN_FAILURE, after_storage_id=after
        ),
        limit=1 if after is None else MAX_RUNS_PER_TICK,
        ascending=after is not None,
    ).records


def _look_at(instance: DagsterInstance, run: DagsterRun, record: EventLogRecord) -> FailedRun:
    event = cast("DagsterEvent", record.event_log_entry.dagster_event)
    data = event.event_specific_data
    data = data if isinstance(data, JobFailureData) else JobFailureData(error=None)
    if data.failure_reason is not RunFailureReason.STEP_FAILURE:
        # Killed, never started, timed out; a run that is told to end by a signal comes here, too.
        kind = "RunDied"
        untold = [_untold(data.error, kind) or Untold(kind, one_line(event.message or "no cause"))]
        return FailedRun(run, _short(untold[0].cause), tuple(untold))
    causes, untold = [], []
    steps = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
    for step in steps.records:
        failure = cast("DagsterEvent", step.event_log_entry.dagster_event).step_failure_data
        if failure.user_failure_data is not None:  # of failures.py, which has reported it
            causes.append(failure.user_failure_data.description or "")
            continue
        found = _untold(failure.error, "StepFailed") or Untold("StepFailed", "no cause")
        causes.append(found.cause)
        untold.append(found)
    return FailedRun(run, _short("; ".join(causes)), tuple(untold))


def _untold(error: SerializableErrorInfo | None, kind: str) -> Untold | None:
    """The cause of an error, which Dagster wraps in its own."""
    if error is None:
        return None
    root = error
    while inner := root.cause or root.context:
        root = inner
    name = root.cls_name or kind
    message = re.sub(rf"^[\w.]*\b{re.escape(name)}: ", "", root.message.strip())
    return Untold(name, one_line(message), error.to_string())


def _short(cause: str) -> str:
    return cause if len(cause) <= _LONGEST_CAUSE else f"{cause[: _LONGEST_CAUSE - 1]}…"


def _tell_sentry(failed: FailedRun) -> None:
    run = failed.run
    tags = run.tags
    ends = [tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)]
    for number, untold in enumerate(failed.untold):
        capture(
            untold.cause,
            kind=untold.kind,
            tags={
                "job": run.job_name,
                "run_id": run.run_id,
                "partition": tags.get(PARTITION_NAME_TAG) or "...".join(filter(None, ends)),
            },
            # The same for the same run, so that Sentry keeps one.
            event_id=uuid5(NAMESPACE_URL, f"run-failure:{run.run_id}:{number}").hex,
            context={"traceback": untold.traceback} if untold.traceback else None,
        )
