"""The life of a backup in a bucket."""

from agentarmy_ops.backups.catalog import latest_backup, list_backups
from agentarmy_ops.backups.create import back_up_platform, back_up_tenants
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.backups.verify import verify_backups, verify_platform
from agentarmy_ops_tests.fix_backups import Lab
from agentarmy_ops_tests.fix_gcs import Gcs


def test_a_backup_in_a_bucket_is_made_listed_and_proved(lab: Lab, gcs: Gcs) -> None:
    store = gcs.store()
    gcs.fail("last", "lose", times=2)
    gcs.fail("list", 503)
    gcs.fail("media", "reset")
    platform = back_up_platform(lab.source(), store)
    (outcome,) = back_up_tenants(lab.source(), store, [lab.tenants["acme"]])
    assert outcome.manifest is not None, outcome.error
    archive = outcome.manifest.archive
    data, resource = gcs.content.get(f"backups/{archive.object_name}")
    assert int(resource["size"]) == len(data) == archive.stored_bytes
    # What the role of a backup job needs: it deletes nothing.
    assert set(gcs.requests()) <= {
        "list", "metadata", "start", "chunk", "last", "status", "media",
    }  # fmt: skip
    ref = outcome.manifest.ref
    assert latest_backup(store, "acme").ref == ref
    (verdict,) = verify_backups(lab.verifier(store), [ref])
    assert verdict.status is Status.VERIFIED, verdict.differences
    assert verify_platform(lab.verifier(store), platform.ref).status is Status.VERIFIED
    assert "delete" not in gcs.requests()


def test_a_backup_that_the_bucket_refuses_is_none(lab: Lab, gcs: Gcs) -> None:
    gcs.fail("last", 403)
    store = gcs.store()
    (outcome,) = back_up_tenants(lab.source(), store, [lab.tenants["acme"]])
    assert "access was denied" in str(outcome.error)
    assert list_backups(store, "acme") == []
    assert not gcs.content.uploads
