from typing import Any

import pytest
from dagster import AssetKey, DagsterEventType, JsonMetadataValue

from agentarmy_ops.backups.catalog import latest_backup, list_backups, load_manifest
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops_tests.fix_dagster import Stack, failure_of, recorded_partitions
from agentarmy_ops_tests.fix_tenants import AppDatabase

SLUGS = ("acme", "globex", "initech")


def test_a_batch_records_each_tenant_once_with_what_the_ui_plots(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    result = stack.run("backup_tenants", partitions=("acme", "initech"))
    assert result.success
    assert sorted(map(str, recorded_partitions(result, "tenant_backup"))) == list(SLUGS)
    assert recorded_partitions(result, "platform_backup") == [None]
    for event in result.asset_materializations_for_node("tenant_backup"):
        assert event.partition is not None
        manifest = load_manifest(
            stack.runtime.store, latest_backup(stack.runtime.store, event.partition).ref
        )
        values: dict[str, Any] = {name: v.value for name, v in event.metadata.items()}
        assert values["rows"] == manifest.fingerprint.rows > 0
        assert values["plain_bytes"] == manifest.archive.plain_bytes
        assert values["stored_bytes"] == manifest.archive.stored_bytes
        assert isinstance(values["backup_seconds"], float)
        assert values["compression_ratio"] > 1
        assert str(values["path"]).endswith(manifest.archive.object_name)
        assert isinstance(event.metadata["manifest"], JsonMetadataValue)
        assert values["manifest"]["archive"]["sha256"] == manifest.archive.sha256
        assert manifest.run_id == result.run_id


def test_dagster_knows_which_partitions_are_there(stack: Stack) -> None:
    stack.tenants(*SLUGS)
    stack.run("backup_tenants", partitions=("acme", "globex"))
    assert stack.instance.get_materialized_partitions(AssetKey("tenant_backup")) == {
        "acme",
        "globex",
    }


def test_a_tenant_that_fails_does_not_take_the_others_with_it(
    stack: Stack, app_database: AppDatabase
) -> None:
    stack.tenants(*SLUGS)
    with app_database.superuser.connect() as connection:
        connection.execute("DROP SCHEMA tenant_globex CASCADE")
    result = stack.run("backup_tenants", partitions=("acme", "initech"))
    assert not result.success
    assert sorted(map(str, recorded_partitions(result, "tenant_backup"))) == ["acme", "initech"]
    assert "failed for 1 of 3 tenants: globex: tenant globex has no schema" in failure_of(result)
    assert stack.instance.get_materialized_partitions(AssetKey("tenant_backup")) == {
        "acme",
        "initech",
    }
    assert list_backups(stack.runtime.store, "globex") == []


def test_the_platform_comes_last_and_also_when_a_tenant_fails(
    stack: Stack, app_database: AppDatabase
) -> None:
    """Tenants may refer to it, and it is best restored under backups that are older than it."""
    stack.tenants(*SLUGS)
    with app_database.superuser.connect() as connection:
        connection.execute("DROP SCHEMA tenant_globex CASCADE")
    result = stack.run("backup_tenants", partitions=("acme", "initech"))
    order = [
        event.asset_key.to_user_string()
        for event in result.all_events
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION and event.asset_key
    ]
    assert order == ["tenant_backup", "tenant_backup", "platform_backup"]
    newest = [latest_backup(stack.runtime.store, slug).ref.backup_id for slug in ("acme", None)]
    assert newest == sorted(newest)


def test_running_again_backs_up_only_what_is_asked_for(
    stack: Stack, app_database: AppDatabase
) -> None:
    stack.tenants(*SLUGS)
    with app_database.superuser.connect() as connection:
        connection.execute("DROP SCHEMA tenant_globex CASCADE")
    stack.run("backup_tenants", partitions=("acme", "initech"))
    assert stack.run("provision_tenant", partition="globex").success is False  # needs an e-mail
    stack.provision("globex")
    again = stack.run("backup_tenants", partition="globex", assets=["tenant_backup"])
    assert again.success
    assert recorded_partitions(again, "tenant_backup") == ["globex"]
    counts = {slug: len(list_backups(stack.runtime.store, slug)) for slug in SLUGS}
    assert counts == {"acme": 1, "globex": 1, "initech": 1}


def test_an_unknown_tenant_fails_the_run_in_one_line(stack: Stack) -> None:
    stack.tenants("acme")
    result = stack.run("backup_tenants", partition="nobody", assets=["tenant_backup"])
    assert not result.success
    assert failure_of(result) == (
        "backup failed: nobody: there is no tenant nobody in shared.tenants; "
        "see 'agentarmy-ops tenant list'"
    )
    assert recorded_partitions(result, "tenant_backup") == []


def test_an_unknown_tenant_is_named_also_where_dagster_fails_first(stack: Stack) -> None:
    """Once ``tenant`` has been materialized, Dagster looks up the partition before the asset."""
    stack.tenants("acme")
    stack.run("provision_tenant", partition="acme")
    result = stack.run("backup_tenants", partition="nobody")
    assert not result.success
    messages = [entry.user_message for entry in stack.instance.all_logs(result.run_id)]
    assert "there is no tenant nobody in shared.tenants" in messages
    assert recorded_partitions(result, "tenant_backup") == []


def test_a_registered_tenant_needs_no_partition_beforehand(stack: Stack) -> None:
    stack.provision("acme")
    result = stack.run("backup_tenants", partition="acme")
    assert result.success
    assert stack.instance.get_dynamic_partitions(PARTITIONS_NAME) == ["acme"]


def test_backup_and_proof_in_one_run(stack: Stack) -> None:
    """The backup's output is what the verification waits for, though it records itself."""
    stack.tenants("acme", "globex")
    result = stack.run(
        "__ASSET_JOB",
        partitions=("acme", "globex"),
        assets=["tenant_backup", "platform_backup", "restore_verification"],
    )
    assert result.success
    for asset in ("tenant_backup", "restore_verification"):
        assert sorted(map(str, recorded_partitions(result, asset))) == ["acme", "globex"]


def test_a_database_that_is_not_there_fails_with_its_own_line(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.tenants("acme")
    monkeypatch.setenv("BACKUP_DATABASE_URL", "postgresql://u:hidden-word@127.0.0.1:9/none")
    result = stack.run("backup_tenants", partition="acme", assets=["tenant_backup"])
    assert not result.success
    assert failure_of(result).startswith("cannot connect to u@127.0.0.1:9/none: ")
    entries = stack.instance.all_logs(result.run_id)
    assert not any("hidden-word" in str(entry) for entry in entries)
    assert any(e.dagster_event_type is DagsterEventType.STEP_FAILURE for e in entries)
