from datetime import timedelta

from dagster import AssetKey, FreshnessPolicy

from agentarmy_ops.definitions import defs
from agentarmy_ops.settings import load_settings

TENANT_ASSETS = ("tenant", "tenant_backup", "restore_verification")


def test_the_code_location_holds_these_names() -> None:
    repository = defs.get_repository_def()
    assert {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()} == {
        *TENANT_ASSETS,
        "platform_backup",
    }
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {
        "provision_tenant",
        "backup_tenants",
        "verify_restores",
        "prune_backups",
        "prune_run_history",
        "restore_tenant",
        "offboard_tenant",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "nightly_backup",
        "weekly_restore_verification",
        "nightly_prune",
        "nightly_run_history_prune",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "tenant_registry_sensor",
        "stale_backup_sensor",
        "run_failure_sensor",
        "platform_health_sensor",
        "tenant_health_sensor",
    }


def test_lineage_goes_from_tenant_to_backup_to_proof() -> None:
    graph = defs.get_repository_def().asset_graph
    parents = {
        name: {key.to_user_string() for key in graph.get(AssetKey(name)).parent_keys}
        for name in (*TENANT_ASSETS, "platform_backup")
    }
    assert parents == {
        "tenant": set(),
        "tenant_backup": {"tenant"},
        "restore_verification": {"tenant_backup", "platform_backup"},
        "platform_backup": set(),
    }


def test_tenant_assets_are_partitioned_and_take_many_tenants_a_run() -> None:
    graph = defs.get_repository_def().asset_graph
    for name in TENANT_ASSETS:
        node = graph.get(AssetKey(name))
        assert node.partitions_def is not None
        assert node.partitions_def.name == "tenant"  # type: ignore[attr-defined]
        policy = node.backfill_policy
        assert policy is not None
        assert policy.max_partitions_per_run is not None
        assert policy.max_partitions_per_run > 1


def test_every_asset_says_what_it_is_and_whose() -> None:
    graph = defs.get_repository_def().asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description
        assert node.owners
        assert node.kinds


def test_dagster_watches_how_old_the_platforms_backup_is_and_no_partitioned_asset() -> None:
    graph = defs.get_repository_def().asset_graph
    policies = {
        key.to_user_string(): graph.get(key).freshness_policy for key in graph.get_all_asset_keys()
    }
    target = timedelta(hours=load_settings().backup_freshness_hours)
    assert policies.pop("platform_backup") == FreshnessPolicy.time_window(fail_window=target)
    assert set(policies.values()) == {None}
