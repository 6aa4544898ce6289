from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import (
    DagsterRunStatus,
    ExecuteInProcessResult,
    RunRequest,
    SkipReason,
    build_schedule_context,
)

from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.schedules import nightly_prune
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.backups.stored import Backup, names, put_object
from agentarmy_ops_tests.fix_dagster import Stack, failure_of
from agentarmy_ops_tests.fix_tenants import AppDatabase

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def store(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """Three backups each of two tenants and of the platform part; one a day is kept."""
    for name, count in (("KEEP_DAILY", "1"), ("KEEP_WEEKLY", "0"), ("KEEP_MONTHLY", "0")):
        monkeypatch.setenv(name, count)
    store = stack.runtime.store
    assert isinstance(store, LocalStore)
    for slug in ("acme", "globex"):
        stack.provision(slug)
    for owner in ("acme", "globex", None):
        for days in (1, 2, 3):
            Backup(NOW - days * DAY).put(store, owner)
    return store


def run(stack: Stack, **config: Any) -> ExecuteInProcessResult:
    return stack.run("prune_backups", ops={"prune": {"config": config}})


def metadata(result: ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = result.filter_events(lambda event: event.is_successful_output)
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_without_apply_the_plan_is_shown(stack: Stack, store: LocalStore) -> None:
    before = names(store)
    result = run(stack)
    assert result.success
    assert metadata(result) == {
        "keep": 3,
        "remove": 6,
        "removed": 0,
        "held": 0,
        "failed": 0,
        "freed_bytes": 108,
        "swept": 0,
        "applied": False,
        "policy": "daily=1 weekly=0 monthly=0",
    }
    assert names(store) == before


def test_what_the_schedule_asks_for_prunes_all(stack: Stack, store: LocalStore) -> None:
    put_object(store, ".partial/x", NOW - 2 * DAY)
    request = nightly_prune(build_schedule_context(instance=stack.instance))
    assert isinstance(request, RunRequest)
    result = run(stack, **request.run_config["ops"]["prune"]["config"])
    assert result.success
    found = metadata(result)
    assert (found["removed"], found["remove"], found["swept"]) == (6, 0, 1)
    assert len(names(store)) == 6


def test_some_tenants_alone(stack: Stack, store: LocalStore) -> None:
    put_object(store, ".partial/x", NOW - 2 * DAY)
    result = run(stack, tenants=["globex", "globex"], apply=True)
    assert result.success
    assert (metadata(result)["removed"], metadata(result)["swept"]) == (2, 0)
    assert len(names(store, "tenants/globex/")) == 2
    assert len(names(store)) == 14
    none = metadata(run(stack, tenants=[], apply=True))
    assert (none["keep"], none["swept"]) == (0, 0)


def test_a_tenant_that_is_not_there_fails_the_run_and_the_others_are_pruned(
    stack: Stack, store: LocalStore
) -> None:
    result = run(stack, tenants=["nobody", "acme"], apply=True)
    assert not result.success
    assert failure_of(result) == (
        "prune failed for 1 of 2 tenants: nobody: there is no tenant nobody in shared.tenants; "
        "see 'agentarmy-ops tenant list'"
    )
    assert len(names(store, "tenants/acme/")) == 2


def test_a_bad_policy_fails_the_run(
    stack: Stack, store: LocalStore, app_database: AppDatabase
) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET backup_retention = 'all' WHERE slug = 'acme'")
    result = run(stack, apply=True)
    assert "'all' is not a retention policy" in failure_of(result)
    assert len(names(store, "tenants/acme/")) == 6
    assert len(names(store, "tenants/globex/")) == 2


def test_an_empty_registry_prunes_nothing(
    stack: Stack, store: LocalStore, app_database: AppDatabase
) -> None:
    before = names(store)
    with app_database.superuser.connect() as connection:
        connection.execute("DELETE FROM shared.tenants")
    result = run(stack, apply=True)
    assert failure_of(result) == "there are no tenants in shared.tenants: nothing is pruned"
    assert names(store) == before


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (DagsterRunStatus.NOT_STARTED, False),
        (DagsterRunStatus.STARTED, False),
        (DagsterRunStatus.SUCCESS, True),
        (DagsterRunStatus.FAILURE, True),
    ],
)
def test_the_schedule_never_overlaps_itself(
    stack: Stack, status: DagsterRunStatus, asked: bool
) -> None:
    stack.instance.create_run_for_job(job_def=defs.resolve_job_def("prune_backups"), status=status)
    stack.instance.create_run_for_job(
        job_def=defs.resolve_job_def("backup_tenants"), status=DagsterRunStatus.STARTED
    )
    answer = nightly_prune(build_schedule_context(instance=stack.instance))
    assert isinstance(answer, RunRequest if asked else SkipReason)
