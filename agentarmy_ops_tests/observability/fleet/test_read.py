"""What is read of a fleet: each fact where it belongs, and nobody's trouble is another's."""

from agentarmy_ops.backups.reference import time_of
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import PLATFORM_ID, State
from agentarmy_ops_tests.fix_backups import Backups
from agentarmy_ops_tests.observability.fleet.conftest import PutVerdict, reader_of


def test_what_is_known_of_backups(backups: Backups, put_verdict: PutVerdict) -> None:
    lab, ref = backups.lab, backups.ref("acme")
    verdict = put_verdict(lab, ref, Status.VERIFIED)
    fleet = reader_of(lab).read()
    assert [tenant.slug for tenant in fleet.tenants] == ["acme", "globex"]
    acme, manifest = fleet.by_slug["acme"], backups.manifests["acme"]
    assert manifest.tenant is not None
    assert acme.tenant_id == str(manifest.tenant.id)
    assert (acme.name, acme.schema_name, acme.state) == ("Acme", "tenant_acme", State.ACTIVE)
    (point,) = acme.history
    assert (point.backup_id, point.status) == (ref.backup_id, Status.VERIFIED)
    assert point.taken_at == time_of(ref.backup_id)
    objects = [*lab.store.list(ref.prefix)]
    assert point.stored_bytes == acme.stored_bytes == sum(each.size for each in objects)
    assert acme.latest is not None
    assert acme.latest.rows == 420
    assert acme.latest.plain_bytes == manifest.archive.plain_bytes
    assert acme.latest.stored_bytes == manifest.archive.stored_bytes
    assert acme.latest.finished_at == manifest.finished_at
    assert acme.latest.backup_seconds == manifest.backup_seconds
    assert acme.proof is not None
    assert acme.proof.backup_id == ref.backup_id
    assert acme.proof.taken_at == time_of(ref.backup_id)
    assert acme.proof.verified_at == verdict.finished_at
    assert acme.proof.restore_seconds == 1.5
    assert (acme.verdict, acme.backups, acme.problem) == (Status.VERIFIED, 1, None)
    platform = fleet.platform
    assert (platform.tenant_id, platform.backups) == (PLATFORM_ID, 1)
    assert (platform.verdict, platform.proof) == (None, None)
    assert fleet.store_bytes == sum(each.size for each in lab.store.list(""))
    assert fleet.problems == ()
