"""Which runs leave the queue, by our dagster.yaml and Dagster's own coordinator."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetKey,
    DagsterRun,
    DagsterRunStatus,
    JobDefinition,
    ReexecutionOptions,
    execute_job,
    reconstructable,
)
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.execution.job_execution_result import JobExecutionResult
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    RESUME_RETRY_TAG,
)
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.policy import BACKUP_POOL, VERIFICATION_POOL
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase

ROOT = Path(__file__).parents[2]
NEEDED = {
    "restore_tenant": {"ops": {"restore_one_tenant": {"config": {"tenant": "acme"}}}},
    "offboard_tenant": {
        "ops": {"offboard_one_tenant": {"config": {"tenant": "acme", "confirm": "acme"}}}
    },
}
LOCATION = RemoteRepositoryOrigin(
    GrpcServerCodeLocationOrigin(host="127.0.0.1", port=4000), "__repository__"
)
Queue = Callable[..., DagsterRun]


@pytest.fixture
def queue(stack: Stack) -> Queue:
    """Make a run of a job, queued or in another status; of ``__ASSET_JOB`` it is a run as a
    backfill from the UI makes it."""
    for pool in (BACKUP_POOL, VERIFICATION_POOL):
        # As the first look at a queue does that has a run of the pool; it does not yet heed it.
        stack.instance.event_log_storage.initialize_concurrency_limit_to_default(pool)

    def make(
        job: str,
        asset: str | None = None,
        *,
        status: DagsterRunStatus = DagsterRunStatus.QUEUED,
    ) -> DagsterRun:
        definition = (
            defs.resolve_implicit_global_asset_job_def()
            if job == "__ASSET_JOB"
            else defs.resolve_job_def(job)
        )
        selection = frozenset({AssetKey(asset)}) if asset else None
        if selection:
            definition = definition.get_subset(asset_selection=selection)
        return stack.instance.create_run_for_job(
            definition,
            status=status,
            asset_selection=selection,
            tags=definition.run_tags,
            run_config=NEEDED.get(job, {}),
            remote_job_origin=RemoteJobOrigin(LOCATION, job),
        )

    return make


def dequeued(stack: Stack) -> Sequence[str]:
    """The jobs whose runs are let go now, in that order."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    config = stack.instance.get_concurrency_config()
    runs = daemon._get_runs_to_dequeue(stack.instance, config, fixed_iteration_time=None)
    return [run.job_name for run in runs]


def test_one_run_of_each_pool_is_let_go_and_a_restore_before_them(
    stack: Stack, queue: Queue
) -> None:
    for asset in ("tenant_backup", "tenant_backup", "platform_backup"):
        queue("backup_tenants", asset)
    queue("verify_restores")
    queue("verify_restores")
    queue("restore_tenant")
    assert dequeued(stack) == ["restore_tenant", "backup_tenants", "verify_restores"]


def test_a_restore_is_not_held_up_by_backups_whoever_asked_for_them(
    stack: Stack, queue: Queue
) -> None:
    first = queue("__ASSET_JOB", "tenant_backup", status=DagsterRunStatus.STARTED)
    queue("__ASSET_JOB", "tenant_backup")
    queue("backup_tenants", "platform_backup")
    assert dequeued(stack) == []
    for job in ("restore_tenant", "provision_tenant", "prune_backups"):
        queue(job)
    assert dequeued(stack) == ["restore_tenant", "provision_tenant", "prune_backups"]
    stack.instance.report_run_failed(first, "its worker died")
    assert dequeued(stack) == ["restore_tenant", "provision_tenant", "__ASSET_JOB", "prune_backups"]


def test_these_are_the_pools() -> None:
    definitions = defs.get_repository_def().assets_defs_by_key.values()
    assert {assets.op.pool for assets in definitions} - {None} == {BACKUP_POOL, VERIFICATION_POOL}


def instances() -> list[Path]:
    """Every dagster.yaml that is shipped."""
    return [ROOT / "dagster.yaml", *sorted((ROOT / "deploy").glob("**/dagster.yaml"))]


@pytest.mark.parametrize("file", instances(), ids=lambda file: str(file.relative_to(ROOT)))
def test_both_pools_together_leave_room_for_others_wherever_it_runs(file: Path) -> None:
    document = yaml.safe_load(file.read_text())
    concurrency, pools = document["concurrency"], document["concurrency"]["pools"]
    assert pools["granularity"] == "run"
    assert concurrency["runs"]["max_concurrent_runs"] >= 2 * pools["default_limit"] + 2
    retries = document["run_retries"]
    assert (retries["enabled"], retries["max_retries"]) == (True, 0)
    assert retries["retry_on_asset_or_op_failure"] is False


def test_only_backups_and_verifications_whose_worker_died_are_tried_again(
    stack: Stack, queue: Queue
) -> None:
    died, failed = RunFailureReason.UNEXPECTED_TERMINATION, RunFailureReason.STEP_FAILURE
    for job, reason, again in (
        ("backup_tenants", died, True),
        ("backup_tenants", failed, False),
        ("verify_restores", died, True),
        ("restore_tenant", died, False),
        ("offboard_tenant", died, False),
        ("provision_tenant", died, False),
    ):
        run = queue(job, status=DagsterRunStatus.STARTED)
        data = JobFailureData(error=None, failure_reason=reason)
        stack.instance.report_run_failed(run, "gone", data)
        found = stack.instance.get_run_by_id(run.run_id)
        assert found is not None
        assert auto_reexecution_should_retry_run(stack.instance, found, reason) == again, job
        assert found.tags["dagster/will_retry"] == str(again).lower()


def backup_job() -> JobDefinition:
    return defs.resolve_job_def("backup_tenants")


def test_a_run_that_goes_on_with_another_does_what_that_one_left(
    stack: Stack, app_database: AppDatabase
) -> None:
    slugs = stack.tenants("acme", "globex", "initech")
    rename = "ALTER SCHEMA {} RENAME TO {}"

    def execute(
        options: ReexecutionOptions | None = None, *, goes_on: bool = False
    ) -> JobExecutionResult:
        return execute_job(
            reconstructable(backup_job),
            stack.instance,
            tags={
                ASSET_PARTITION_RANGE_START_TAG: slugs[0],
                ASSET_PARTITION_RANGE_END_TAG: slugs[-1],
                **({RESUME_RETRY_TAG: "true"} if goes_on else {}),
            },
            asset_selection=None if options else [AssetKey("tenant_backup")],
            reexecution_options=options,
        )

    with app_database.superuser.connect() as connection:
        connection.execute(rename.format("tenant_globex", "away").encode())
    first = execute()
    assert not first.success
    second = execute(ReexecutionOptions.from_failure(first.run_id, stack.instance), goes_on=True)
    assert not second.success
    with app_database.superuser.connect() as connection:
        connection.execute(rename.format("away", "tenant_globex").encode())
    assert execute(
        ReexecutionOptions.from_failure(second.run_id, stack.instance), goes_on=True
    ).success
    assert [len(list_backups(stack.runtime.store, slug)) for slug in slugs] == [1, 1, 1]
    assert execute(ReexecutionOptions(parent_run_id=first.run_id)).success
    assert [len(list_backups(stack.runtime.store, slug)) for slug in slugs] == [2, 2, 2]
