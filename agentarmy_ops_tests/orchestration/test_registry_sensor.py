import pytest
from dagster import (
    AddDynamicPartitionsRequest,
    DagsterRunStatus,
    DeleteDynamicPartitionsRequest,
    SensorResult,
    SkipReason,
    build_sensor_context,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.orchestration.sensors import tenant_registry_sensor
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase


def tick(stack: Stack) -> SensorResult | SkipReason:
    with build_sensor_context(
        instance=stack.instance,
        resources={"ops": OpsResource()},
        repository_def=defs.get_repository_def(),
    ) as context:
        result = tenant_registry_sensor(context)
    assert isinstance(result, SensorResult | SkipReason)
    return result


def requested(result: SensorResult | SkipReason) -> tuple[list[str], list[str]]:
    assert isinstance(result, SensorResult)
    requests = result.dynamic_partitions_requests or []
    add = [r for r in requests if isinstance(r, AddDynamicPartitionsRequest)]
    delete = [r for r in requests if isinstance(r, DeleteDynamicPartitionsRequest)]
    return (
        [key for request in add for key in request.partition_keys],
        [key for request in delete for key in request.partition_keys],
    )


def remove_tenant(database: AppDatabase, slug: str) -> None:
    with database.superuser.connect() as connection:
        connection.execute("DELETE FROM shared.tenants WHERE slug = %s", [slug])


def test_new_tenants_get_partitions(stack: Stack) -> None:
    stack.provision("acme")
    stack.provision("globex")
    assert requested(tick(stack)) == (["acme", "globex"], [])


def test_in_step_is_skipped(stack: Stack) -> None:
    stack.tenants("acme")
    assert isinstance(tick(stack), SkipReason)


def test_a_tenant_that_is_gone_loses_its_partition(stack: Stack, app_database: AppDatabase) -> None:
    stack.tenants("acme", "globex")
    remove_tenant(app_database, "globex")
    assert requested(tick(stack)) == ([], ["globex"])


def test_a_partition_with_an_active_run_is_kept(stack: Stack, app_database: AppDatabase) -> None:
    stack.tenants("acme", "globex", "initech")
    remove_tenant(app_database, "globex")
    run = stack.instance.create_run_for_job(
        job_def=defs.resolve_job_def("backup_tenants"),
        status=DagsterRunStatus.STARTED,
        tags={ASSET_PARTITION_RANGE_START_TAG: "acme", ASSET_PARTITION_RANGE_END_TAG: "initech"},
    )
    assert isinstance(tick(stack), SkipReason)
    stack.instance.report_run_canceled(run)
    assert requested(tick(stack)) == ([], ["globex"])


def test_a_registry_that_cannot_be_read_deletes_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants("acme")
    monkeypatch.setenv("BACKUP_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    result = tick(stack)
    assert isinstance(result, SkipReason)
    assert "cannot be read" in str(result.skip_message)
    assert stack.instance.get_dynamic_partitions(PARTITIONS_NAME) == ["acme"]


def test_an_empty_registry_deletes_nothing(stack: Stack, app_database: AppDatabase) -> None:
    stack.tenants("acme")
    remove_tenant(app_database, "acme")
    assert isinstance(tick(stack), SkipReason)


def test_a_row_that_breaks_the_rule_stops_deletions_but_not_additions(
    stack: Stack, app_database: AppDatabase
) -> None:
    stack.tenants("acme", "globex")
    remove_tenant(app_database, "globex")
    stack.provision("initech")
    with app_database.superuser.connect() as connection:
        connection.execute(
            "UPDATE shared.tenants SET schema_name = 'elsewhere' WHERE slug = 'acme'"
        )
    assert requested(tick(stack)) == (["initech"], [])
