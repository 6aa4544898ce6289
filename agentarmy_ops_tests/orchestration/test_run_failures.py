"""Runs that failed: what people are told, and what Sentry is told of runs that could not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from dagster import DagsterRun, SensorResult, build_sensor_context

from agentarmy_ops.definitions import defs
from agentarmy_ops.observability.failures import flush
from agentarmy_ops.observability.sentry import start_sentry
from agentarmy_ops.orchestration import run_failures
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.orchestration.run_failures import run_failure_sensor
from agentarmy_ops.settings import load_settings
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_sentry import Received, SentryServer
from agentarmy_ops_tests.fix_tenants import AppDatabase

Tick = Callable[[], SensorResult]


@pytest.fixture
def tick(stack: Stack) -> Tick:
    """One tick after the other, each with what the last one remembered; the first is over."""
    cursor: str | None = None

    def evaluate() -> SensorResult:
        nonlocal cursor
        with build_sensor_context(
            instance=stack.instance,
            cursor=cursor,
            resources={"ops": OpsResource()},
            repository_def=defs.get_repository_def(),
        ) as context:
            result = run_failure_sensor(context)
        assert isinstance(result, SensorResult)
        assert result.cursor
        cursor = result.cursor
        return result

    evaluate()
    return evaluate


@pytest.fixture
def told(
    stack: Stack, webhook: Received, sentry_server: SentryServer, monkeypatch: pytest.MonkeyPatch
) -> "Told":
    """People and Sentry, as the code server knows them."""
    del stack
    monkeypatch.setenv("NOTIFY_URLS", f"json://{webhook.address}/hook")
    monkeypatch.setenv("GATEWAY_URL", "https://ops.example/")
    monkeypatch.setenv("SENTRY_DSN", sentry_server.dsn)
    start_sentry(load_settings(), "dagster")
    return Told(webhook, sentry_server)


class Told:
    def __init__(self, webhook: Received, sentry: SentryServer) -> None:
        self._webhook, self.sentry = webhook, sentry

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self._webhook.bodies]

    @property
    def events(self) -> list[dict[str, Any]]:
        flush()
        return self.sentry.events


def dies(stack: Stack, message: str, **tags: str) -> DagsterRun:
    """A run whose process was killed, as the monitor of runs reports it."""
    run = stack.instance.create_run_for_job(
        defs.resolve_job_def("backup_tenants"),
        tags={name.replace("__", "/"): value for name, value in tags.items()},
    )
    stack.instance.report_run_failed(run, message)
    return run


def test_a_run_that_died_without_a_word_is_one_event_and_one_message(
    stack: Stack, tick: Tick, told: Told
) -> None:
    run = dies(stack, "Run worker 4711 exited with code -9", dagster__partition="acme")
    result = tick()
    assert run.run_id in str(result.skip_reason)
    (event,) = told.events
    assert event["exception"]["values"][0]["type"] == "RunDied"
    assert event["fingerprint"] == ["RunDied", "Run worker <n> exited with code -<n>"]
    assert event["tags"] == {
        "job": "backup_tenants",
        "run_id": run.run_id,
        "partition": "acme",
        "service": "dagster",
    }
    (message,) = told.messages
    assert message["title"] == "[testing] backup_tenants failed"
    assert message["type"] == "failure"
    assert message["message"] == (
        "backup_tenants: Run worker 4711 exited with code -9\n"
        f"https://ops.example/runs/{run.run_id}"
    )
    tick()
    assert (len(told.events), len(told.messages)) == (1, 1)


def test_told_again_it_is_the_same_event(stack: Stack, told: Told) -> None:
    """A tick that is killed is done again; Sentry keeps one event of an id."""
    run = dies(stack, "gone")
    ids = []
    for _ in range(2):
        with build_sensor_context(
            instance=stack.instance,
            cursor="0",
            resources={"ops": OpsResource()},
            repository_def=defs.get_repository_def(),
        ) as context:
            run_failure_sensor(context)
        ids.append(told.events[-1]["event_id"])
    assert len(told.events) == 2
    assert ids[0] == ids[1]
    dies(stack, "gone")
    assert run.run_id
    with build_sensor_context(
        instance=stack.instance,
        cursor="0",
        resources={"ops": OpsResource()},
        repository_def=defs.get_repository_def(),
    ) as context:
        run_failure_sensor(context)
    assert len({event["event_id"] for event in told.events}) == 2


def test_a_run_that_told_of_its_tenants_is_no_second_event(
    stack: Stack, tick: Tick, told: Told, app_database: AppDatabase
) -> None:
    stack.tenants("acme", "globex")
    with app_database.superuser.connect() as connection:
        connection.execute("DROP SCHEMA tenant_acme CASCADE")
    stack.run("backup_tenants", partitions=("acme", "globex"), assets=["tenant_backup"])
    assert len(told.events) == 1
    tick()
    assert len(told.events) == 1
    (message,) = told.messages
    assert "backup failed for 1 of 2 tenants: acme: tenant acme has no schema" in message["message"]


def test_an_error_that_is_none_of_ours_is_told_with_its_cause(
    stack: Stack, tick: Tick, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants("acme")
    with monkeypatch.context() as broken:
        broken.setenv("KEEP_DAILY", "-1")  # met before the asset can catch anything
        result = stack.run("backup_tenants", partition="acme", assets=["tenant_backup"])
    assert told.events == []
    tick()
    (event,) = told.events
    (value,) = event["exception"]["values"]
    assert value["type"] == "ConfigurationError"
    assert value["value"].startswith("bad configuration: KEEP_DAILY: ")
    assert event["fingerprint"][0] == "ConfigurationError"
    assert "load_settings" in event["contexts"]["failure"]["traceback"]
    assert event["tags"]["run_id"] == result.run_id
    assert told.messages[0]["message"].startswith("backup_tenants: bad configuration: KEEP_DAILY")


def test_many_failed_runs_are_one_message_and_none_is_forgotten(
    stack: Stack, tick: Tick, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_failures, "MAX_RUNS_PER_TICK", 12)
    runs = [dies(stack, f"gone {number}") for number in range(15)]
    tick()
    (message,) = told.messages
    assert message["title"] == "[testing] 12 runs failed"
    assert "gone 0\n" in message["message"]
    assert "gone 9\n" in message["message"]
    assert "gone 10" not in message["message"]
    assert message["message"].endswith("\nand 2 more")
    tick()
    assert told.messages[1]["title"] == "[testing] 3 runs failed"
    assert {event["tags"]["run_id"] for event in told.events} == {run.run_id for run in runs}
    tick()
    assert len(told.messages) == 2


def test_what_failed_before_it_was_there_is_not_told(stack: Stack, told: Told) -> None:
    dies(stack, "long ago")
    cursors: list[str | None] = [None, "garbage", "-5"]
    for cursor in cursors:
        with build_sensor_context(
            instance=stack.instance, cursor=cursor, resources={"ops": OpsResource()}
        ) as context:
            result = run_failure_sensor(context)
        assert isinstance(result, SensorResult)
        assert int(result.cursor or 0) > 0
    assert told.messages == told.events == []


def test_a_deleted_run_and_a_range_of_partitions(stack: Stack, tick: Tick, told: Told) -> None:
    gone = dies(stack, "deleted")
    stack.instance.delete_run(gone.run_id)
    stack.instance.add_dynamic_partitions(PARTITIONS_NAME, ["acme", "globex"])
    dies(
        stack,
        "x" * 2000,
        dagster__asset_partition_range_start="acme",
        dagster__asset_partition_range_end="globex",
    )
    tick()
    (event,) = told.events
    assert event["tags"]["partition"] == "acme...globex"
    (message,) = told.messages
    assert message["message"].count("x") == 499 + 1  # and the one in example
    assert "…" in message["message"]


def test_without_anybody_to_tell_it_goes_on(stack: Stack, tick: Tick) -> None:
    run = dies(stack, "gone")
    assert run.run_id in str(tick().skip_reason)
    assert str(tick().skip_reason) == "SkipReason(skip_message='no run failed')"
