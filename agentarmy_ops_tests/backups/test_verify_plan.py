"""Which backups share a scratch database."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agentarmy_ops.archive.fingerprint import EntryFingerprint
from agentarmy_ops.backups import verify_plan
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verify_plan import keeps_to_itself, plan, relations_of
from agentarmy_ops.errors import VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops_tests.backups.damage import edit_manifest
from agentarmy_ops_tests.fix_backups import Backups

ACME, GLOBEX = "acme", "globex"
_OTHER_ID = "20261124T000000Z-ffffff"


class _NoStore:
    """A store that holds manifests only."""

    def __init__(self, *manifests: Manifest) -> None:
        self._objects = {manifest.ref.manifest: manifest.encode() for manifest in manifests}

    def read(self, name: str) -> bytes:
        return self._objects[name]


def _fleet(manifest: Manifest, count: int, **archive: Any) -> list[Manifest]:
    """Manifests of as many tenants as like as two peas."""
    return [_renamed(manifest, f"pea-{number:03}", **archive) for number in range(count)]


def _renamed(manifest: Manifest, slug: str, backup_id: str = "", **archive: Any) -> Manifest:
    assert manifest.tenant is not None
    old, new = manifest.tenant.schema_name, f"tenant_{slug.replace('-', '_')}"
    ref = BackupRef(slug, backup_id or manifest.backup_id)
    text = manifest.model_dump_json().replace(old, new)
    renamed = Manifest.model_validate_json(text)
    return renamed.model_copy(
        update={
            "backup_id": ref.backup_id,
            "tenant": renamed.tenant and renamed.tenant.model_copy(update={"slug": slug}),
            "archive": renamed.archive.model_copy(update={"object_name": ref.archive, **archive}),
        }
    )


def _verifier(lock_table: int, *manifests: Manifest, jobs: int = 1) -> Verifier:
    scratch = ScratchServer(ConnInfo({}))
    vars(scratch)["lock_table"] = lock_table
    return Verifier(_NoStore(*manifests), lambda _: scratch, jobs=jobs)  # type: ignore[arg-type]


def _sizes(verifier: Verifier, manifests: Sequence[Manifest]) -> list[int]:
    return [len(batch) for batch in plan(verifier, [manifest.ref for manifest in manifests])]


@pytest.fixture
def manifest(good_backups: Backups) -> Manifest:
    return good_backups.manifests[ACME]


def test_each_job_gets_its_share(manifest: Manifest) -> None:
    fleet = _fleet(manifest, 10)
    assert _sizes(_verifier(10**6, *fleet), fleet) == [10]
    assert _sizes(_verifier(10**6, *fleet, jobs=2), fleet) == [5, 5]
    assert _sizes(_verifier(10**6, *fleet, jobs=3), fleet) == [4, 4, 2]


def test_no_batch_is_larger_than_is_worth_it(manifest: Manifest) -> None:
    fleet = _fleet(manifest, 2 * verify_plan.MOST_TENANTS + 1)
    most = verify_plan.MOST_TENANTS
    assert _sizes(_verifier(10**6, *fleet), fleet) == [most, most, 1]


def test_batches_leave_half_of_the_lock_table(manifest: Manifest) -> None:
    # users and notes: tables, sequences, primary keys, one unique constraint.
    assert relations_of(manifest) == 7
    fleet = _fleet(manifest, 6)
    for locks, jobs, sizes in (
        (4 * 7, 1, [2, 2, 2]),
        (6 * 7, 1, [3, 3]),
        (6 * 7 - 1, 1, [2, 2, 2]),
        (8 * 7, 2, [2, 2, 2]),
        (2 * 7, 1, [1] * 6),
        (2 * 7 - 1, 1, [1] * 6),
        (0, 1, [1] * 6),
    ):
        assert _sizes(_verifier(locks, *fleet, jobs=jobs), fleet) == sizes


def test_batches_are_bounded_by_bytes_and_a_large_tenant_goes_alone(manifest: Manifest) -> None:
    third = verify_plan.MOST_BYTES // 3
    fleet = _fleet(manifest, 6, plain_bytes=third)
    fleet[1] = _renamed(manifest, "pea-001", plain_bytes=verify_plan.MOST_BYTES + 1)
    assert _sizes(_verifier(10**6, *fleet), fleet) == [1, 1, 3, 1]


def test_two_backups_of_a_tenant_never_share(manifest: Manifest) -> None:
    fleet = _fleet(manifest, 3)
    later = [_renamed(one, str(one.ref.slug), _OTHER_ID) for one in fleet]
    both = [manifest for pair in zip(fleet, later, strict=True) for manifest in pair]
    batches = list(plan(_verifier(10**6, *both), [manifest.ref for manifest in both]))
    assert [[c.ref for c in batch] for batch in batches] == [
        [one.ref for one in fleet],
        [one.ref for one in later],
    ]


@pytest.mark.parametrize("field", ["encoding", "collate", "ctype", "lc_monetary", "server_version"])
def test_backups_of_databases_that_are_not_alike_never_share(
    manifest: Manifest, field: str
) -> None:
    fleet = _fleet(manifest, 4)
    snapshot = fleet[2].snapshot.model_copy(update={field: "18.1"})
    fleet[2] = fleet[2].model_copy(update={"snapshot": snapshot})
    assert _sizes(_verifier(10**6, *fleet), fleet) == [2, 1, 1]


@pytest.mark.parametrize(
    ("desc", "namespace", "tag", "own"),
    [
        ("TABLE", "tenant_acme", "x", True),
        ("DEFAULT ACL", "tenant_acme", "DEFAULT PRIVILEGES FOR TABLES", True),
        ("ACL", "", "SCHEMA tenant_acme", True),
        ("COMMENT", "", "SCHEMA tenant_acme", True),
        ("ENCODING", "", "ENCODING", True),
        ("TABLE", "tenant_globex", "x", False),
        ("TABLE", "shared", "x", False),
        ("SCHEMA", "", "tenant_globex", False),
        ("ACL", "", "SCHEMA tenant_acme_2", False),
        ("ACL", "", "SCHEMA shared", False),
        ("DEFAULT ACL", "", "DEFAULT PRIVILEGES FOR TABLES", False),
        ("EXTENSION", "", "vector", False),
        ("EVENT TRIGGER", "", "tenant_acme", False),
        ("PUBLICATION", "", "tenant_acme", False),
        ("CAST", "", "CAST (tenant_acme.a AS text)", False),
        ("BLOB", "", "16400", False),
    ],
)
def test_only_an_archive_of_nothing_but_its_own_schema_shares(
    manifest: Manifest, desc: str, namespace: str, tag: str, own: bool
) -> None:
    entry = EntryFingerprint(desc=desc, namespace=namespace, tag=tag, owner="", sha256="0" * 64)
    fingerprint = manifest.fingerprint
    changed = manifest.model_copy(
        update={
            "fingerprint": fingerprint.model_copy(update={"entries": (*fingerprint.entries, entry)})
        }
    )
    assert keeps_to_itself(manifest)
    assert keeps_to_itself(changed) is own
    others = _fleet(manifest, 2)
    fleet = [others[0], changed, others[1]]
    assert sorted(_sizes(_verifier(10**6, *fleet), fleet)) == ([3] if own else [1, 2])


def test_the_platform_part_does_not_share(good_backups: Backups) -> None:
    assert not keeps_to_itself(good_backups.manifests[None])


def test_a_manifest_that_cannot_be_read_is_for_alone(backups: Backups) -> None:
    edit_manifest(backups, ACME, lambda document: document.clear())
    refs = [backups.ref(ACME), backups.ref(GLOBEX)]
    batches = list(plan(backups.lab.verifier(), refs))
    assert [[c.ref for c in batch] for batch in batches] == [[ref] for ref in refs]


def test_where_the_scratch_server_cannot_be_asked_nobody_shares(manifest: Manifest) -> None:
    fleet = _fleet(manifest, 3)

    def nowhere(_: int) -> ScratchServer:
        raise VerificationError("not there")

    verifier = replace(_verifier(0, *fleet), scratch_for=nowhere)
    assert _sizes(verifier, fleet) == [1, 1, 1]
