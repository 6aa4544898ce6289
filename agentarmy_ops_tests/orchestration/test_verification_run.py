from pathlib import Path

from dagster import AssetKey, DagsterEventType

from agentarmy_ops.backups.catalog import latest_backup, list_backups, load_verdicts
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.runtime import Runtime
from agentarmy_ops_tests.fix_dagster import Stack, failure_of, recorded_partitions


def flip_a_bit(runtime: Runtime, slug: str) -> None:
    name = latest_backup(runtime.store, slug).ref.encrypted_archive
    path = Path(runtime.store.url.removeprefix("file://")) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_verified_backup_is_recorded_with_its_verdict(stack: Stack) -> None:
    stack.tenants("acme", "globex")
    stack.run("backup_tenants", partitions=("acme", "globex"))
    result = stack.run("verify_restores", partitions=("acme", "globex"))
    assert result.success
    assert sorted(map(str, recorded_partitions(result, "restore_verification"))) == [
        "acme",
        "globex",
    ]
    for event in result.asset_materializations_for_node("restore_verification"):
        values = {name: value.value for name, value in event.metadata.items()}
        entry = latest_backup(stack.runtime.store, str(event.partition))
        (verdict,) = load_verdicts(stack.runtime.store, entry)
        assert values["verdict"] == verdict.status == "verified"
        assert isinstance(values["restore_seconds"], float)
        assert values["backup_id"] == entry.ref.backup_id
        assert verdict.run_id == result.run_id


def test_a_bad_backup_is_observed_and_fails_the_run_while_others_are_recorded(
    stack: Stack,
) -> None:
    stack.tenants("acme", "globex")
    stack.run("backup_tenants", partitions=("acme", "globex"))
    flip_a_bit(stack.runtime, "acme")
    result = stack.run("verify_restores", partitions=("acme", "globex"))
    assert not result.success
    assert recorded_partitions(result, "restore_verification") == ["globex"]
    assert "acme: failed: the stored archive is not the one that was written" in failure_of(result)
    (observed,) = [
        event
        for event in result.all_events
        if event.event_type is DagsterEventType.ASSET_OBSERVATION
    ]
    assert observed.asset_observation_data.asset_observation.partition == "acme"
    assert stack.instance.get_materialized_partitions(AssetKey("restore_verification")) == {
        "globex"
    }
    (verdict,) = load_verdicts(stack.runtime.store, latest_backup(stack.runtime.store, "acme"))
    assert verdict.status is Status.FAILED


def test_an_older_backup_can_be_asked_for(stack: Stack) -> None:
    stack.tenants("acme")
    stack.run("backup_tenants", partition="acme")
    stack.run("backup_tenants", partition="acme")
    older, newer = list_backups(stack.runtime.store, "acme")
    result = stack.run(
        "verify_restores",
        partition="acme",
        ops={"restore_verification": {"config": {"backup_id": older.ref.backup_id}}},
    )
    assert result.success
    older, newer = list_backups(stack.runtime.store, "acme")
    assert (len(older.verifications), len(newer.verifications)) == (1, 0)


def test_a_tenant_without_a_backup_fails_by_name(stack: Stack) -> None:
    stack.tenants("acme")
    result = stack.run("verify_restores", partition="acme")
    assert not result.success
    assert "acme: tenant acme has no complete backup" in failure_of(result)
    assert stack.instance.get_dynamic_partitions(PARTITIONS_NAME) == ["acme"]
