import pytest
from dagster_gcp.gcs import GCSResource
from google.cloud.storage import Client

from agentarmy_ops.backups.catalog import latest_backup
from agentarmy_ops_tests.fix_dagster import Stack, failure_of
from agentarmy_ops_tests.fix_gcs import Gcs


def test_a_run_backs_up_into_a_bucket_with_the_client_of_dagsters_resource(
    stack: Stack, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Client] = []
    get_client = GCSResource.get_client

    def watched(resource: GCSResource) -> Client:
        made.append(get_client(resource))
        return made[-1]

    monkeypatch.setattr(GCSResource, "get_client", watched)
    monkeypatch.setenv("BACKUP_STORE_URL", gcs.url)
    stack.tenants("acme")
    result = stack.run("backup_tenants", partition="acme")
    assert result.success
    assert len(made) == 1
    (event,) = result.asset_materializations_for_node("tenant_backup")
    manifest = latest_backup(gcs.store(), "acme")
    assert str(event.metadata["path"].value).startswith(f"{gcs.url}/{manifest.ref.prefix}")
    assert stack.run("verify_restores", partition="acme").success


def test_a_bucket_that_is_not_there_fails_the_run_in_one_line(
    stack: Stack, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_STORE_URL", "gs://no-such-bucket/backups")
    stack.tenants("acme")
    result = stack.run("backup_tenants", partition="acme", assets=["tenant_backup"])
    assert not result.success
    assert "the bucket does not exist; create it" in failure_of(result)
