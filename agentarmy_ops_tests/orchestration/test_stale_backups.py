from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SensorResult,
    SkipReason,
    build_sensor_context,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.outcomes import DATA_VERSION_TAG
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.requests import backup_requests
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.orchestration.runs import busy_partitions, partitions_of_run
from agentarmy_ops.orchestration.sensors import BACK_OFF, MAX_RUNS_PER_TICK, stale_backup_sensor
from agentarmy_ops.orchestration.staleness import stale_tenants
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_dagster import Stack, recorded_partitions
from agentarmy_ops_tests.fix_tenants import AppDatabase

FRESH, STALE = timedelta(hours=25), timedelta(hours=27)
SLUGS = ("acme", "globex", "initech", "umbrella")


def tick(stack: Stack) -> SensorResult | SkipReason:
    with build_sensor_context(
        instance=stack.instance,
        resources={"ops": OpsResource()},
        repository_def=defs.get_repository_def(),
    ) as context:
        result = stale_backup_sensor(context)
    assert isinstance(result, SensorResult | SkipReason)
    return result


def requests(result: SensorResult | SkipReason) -> list[RunRequest]:
    assert isinstance(result, SensorResult)
    assert bool(result.run_requests) is (result.skip_reason is None)
    return list(result.run_requests or [])


def requested(stack: Stack) -> tuple[list[list[str]], bool]:
    """The tenants of each run that a tick asks for, and whether one is for the platform."""
    stored = stack.instance.get_dynamic_partitions(PARTITIONS_NAME)
    batches, platform = [], False
    for request in requests(tick(stack)):
        assert request.run_key is None  # a sensor's would be remembered for ever
        if request.asset_selection == [AssetKey("platform_backup")]:
            platform = True
            continue
        assert request.asset_selection == [AssetKey("tenant_backup")]
        run = DagsterRun("backup_tenants", tags=request.tags, run_config=request.run_config)
        batches.append(partitions_of_run(run, stored))
    return batches, platform


def put(stack: Stack, slug: str | None, age: timedelta, *, complete: bool = True) -> str:
    """A backup of that age in the store, as a listing shows it."""
    ref = BackupRef(slug, new_id(datetime.now(UTC) - age))
    for name in (ref.archive, ref.manifest)[: 2 if complete else 1]:
        with stack.runtime.store.create(name) as writer:
            writer.write(b"-")
    return ref.backup_id


def back_up(stack: Stack, age: timedelta, *slugs: str) -> None:
    """Backups of that age, in the store and recorded by Dagster."""
    for slug in slugs:
        backup_id = put(stack, slug, age)
        stack.instance.report_runless_asset_event(
            AssetMaterialization(
                "tenant_backup", partition=slug, tags={DATA_VERSION_TAG: backup_id}
            )
        )


def start_run(
    stack: Stack,
    slugs: Sequence[str],
    asset: str = "tenant_backup",
    job: str = "backup_tenants",
    status: DagsterRunStatus = DagsterRunStatus.STARTED,
) -> DagsterRun:
    stored = stack.instance.get_dynamic_partitions(PARTITIONS_NAME)
    (request,) = backup_requests(stored, slugs, 100) if slugs else [RunRequest()]
    return stack.instance.create_run_for_job(
        job_def=defs.resolve_job_def(job).get_subset(asset_selection={AssetKey(asset)}),
        asset_selection=frozenset({AssetKey(asset)}),
        status=status,
        tags=request.tags,
        run_config=request.run_config if asset == "tenant_backup" else {},
    )


def age_runs(environment: dict[str, str], age: timedelta) -> None:
    """As if all runs had ended that long ago."""
    with ConnInfo.parse(environment["DAGSTER_DATABASE_URL"]).connect() as connection:
        connection.execute("UPDATE runs SET update_timestamp = update_timestamp - %s", [age])


def test_who_was_never_backed_up_is_stale_and_so_is_the_platform(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    assert requested(stack) == ([list(SLUGS)], True)


def test_who_has_a_fresh_backup_is_left_alone(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    back_up(stack, STALE, *SLUGS)
    back_up(stack, FRESH, *SLUGS[:3])
    put(stack, None, STALE)
    put(stack, None, FRESH)
    assert requested(stack) == ([["umbrella"]], False)
    back_up(stack, FRESH, "umbrella")
    result = tick(stack)
    assert isinstance(result, SensorResult)
    assert result.run_requests == []
    assert result.skip_reason is not None


def test_the_target_is_a_setting(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.tenants("acme")
    back_up(stack, STALE, "acme")
    put(stack, None, STALE)
    monkeypatch.setenv("BACKUP_FRESHNESS_HOURS", "28")
    assert requested(stack) == ([], False)
    monkeypatch.setenv("BACKUP_FRESHNESS_HOURS", "24.5")
    back_up(stack, FRESH, "acme")
    assert requested(stack) == ([["acme"]], True)


def test_a_backup_that_dagster_does_not_know_counts(stack: Stack) -> None:
    stack.tenants("acme", "globex")
    back_up(stack, STALE, "acme", "globex")
    put(stack, "acme", FRESH)  # by the command line
    assert requested(stack)[0] == [["globex"]]


def test_a_backup_that_is_gone_or_incomplete_does_not_count(stack: Stack) -> None:
    stack.tenants("acme", "globex")
    stack.instance.report_runless_asset_event(
        AssetMaterialization("tenant_backup", partition="acme", tags={DATA_VERSION_TAG: new_id()})
    )
    put(stack, "globex", FRESH, complete=False)
    assert requested(stack)[0] == [["acme", "globex"]]


def test_only_active_tenants_with_a_partition_are_asked_for(
    stack: Stack, app_database: AppDatabase
) -> None:
    stack.tenants("acme", "globex")
    stack.provision("no-partition-yet")
    stack.instance.add_dynamic_partitions(PARTITIONS_NAME, ["not-registered"])
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET is_active = false WHERE slug = 'globex'")
    assert requested(stack)[0] == [["acme"]]


def test_scattered_tenants_share_a_run_that_backs_up_them_alone(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    back_up(stack, FRESH, "globex")
    (request, _) = requests(tick(stack))
    wanted = ["acme", "initech", "umbrella"]
    assert request.tags == {PARTITION_NAME_TAG: "acme"}
    result = stack.run(
        "backup_tenants",
        partition="acme",
        ops=request.run_config["ops"],
        assets=["tenant_backup"],
    )
    assert result.success
    assert sorted(map(str, recorded_partitions(result, "tenant_backup"))) == wanted
    assert requested(stack)[0] == []


def test_neighbours_are_asked_for_as_a_range(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    back_up(stack, FRESH, "acme")
    (request, _) = requests(tick(stack))
    assert request.run_config == {}
    assert request.tags == {
        ASSET_PARTITION_RANGE_START_TAG: "globex",
        ASSET_PARTITION_RANGE_END_TAG: "umbrella",
    }


@pytest.mark.parametrize("slugs", [["acme", "globex"], ["acme", "umbrella"]])
def test_who_has_a_backup_run_waits_for_it(stack: Stack, slugs: list[str]) -> None:
    stack.tenants(*SLUGS)
    start_run(stack, slugs)
    start_run(stack, [], "platform_backup")
    assert busy_partitions(stack.instance, SLUGS) == set(slugs)
    assert requested(stack) == ([[slug for slug in SLUGS if slug not in slugs]], False)


def test_a_verification_does_not_hold_a_backup_up(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    start_run(stack, SLUGS, "restore_verification", "verify_restores")
    assert requested(stack) == ([list(SLUGS)], True)


@pytest.mark.parametrize("status", [DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS])
def test_who_was_tried_is_not_tried_again_within_the_hour(
    stack: Stack, environment: dict[str, str], status: DagsterRunStatus
) -> None:
    stack.tenants(*SLUGS)
    start_run(stack, ["acme", "umbrella"], status=status)
    start_run(stack, [], "platform_backup", status=status)
    age_runs(environment, BACK_OFF - timedelta(minutes=1))
    assert requested(stack) == ([["globex", "initech"]], False)
    age_runs(environment, timedelta(minutes=2))
    assert requested(stack) == ([list(SLUGS)], True)


def test_a_tick_asks_for_a_few_runs_only(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    slugs = stack.tenants(*(f"tenant-{number}" for number in range(MAX_RUNS_PER_TICK + 2)))
    monkeypatch.setenv("MAX_PARTITIONS_PER_RUN", "1")
    batches, platform = requested(stack)
    assert batches == [[slug] for slug in slugs[:MAX_RUNS_PER_TICK]]
    assert platform


def test_what_a_tick_has_no_time_to_look_at_the_next_ones_do(stack: Stack) -> None:
    for slug in SLUGS:
        put(stack, slug, STALE)
    put(stack, "acme", FRESH)
    older_than = datetime.now(UTC) - timedelta(hours=26)
    seen, after = [], None
    for _ in SLUGS:
        found = stale_tenants(SLUGS, {}, stack.runtime.store, older_than, after=after, seconds=0)
        seen.append(found.stale)
        after = found.left_at
    assert seen == [(), ("globex",), ("initech",), ("umbrella",)]
    whole = stale_tenants(SLUGS, {}, stack.runtime.store, older_than, after="globex", seconds=60)
    assert whole.stale == SLUGS[1:]
    assert whole.left_at is None


def test_the_cursor_is_where_the_listing_stopped(stack: Stack) -> None:
    stack.tenants("acme")
    result = tick(stack)
    assert isinstance(result, SensorResult)
    assert result.cursor == ""


def test_a_registry_that_cannot_be_read_asks_for_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants("acme")
    monkeypatch.setenv("BACKUP_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    result = tick(stack)
    assert isinstance(result, SkipReason)
    assert "cannot connect to nobody@127.0.0.1:9/none" in str(result.skip_message)
    assert "\n" not in str(result.skip_message)


def test_a_store_that_cannot_be_read_asks_for_nothing(
    stack: Stack, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants("acme")
    monkeypatch.setenv("BACKUP_STORE_URL", f"file://{environment['DAGSTER_HOME']}/dagster.yaml")
    result = tick(stack)
    assert isinstance(result, SkipReason)
    assert "whose backup is stale: cannot list" in str(result.skip_message)
    assert "\n" not in str(result.skip_message)
