"""The store alone says what backups there are."""

from datetime import UTC, datetime, timedelta

import pytest

from agentarmy_ops.backups.catalog import (
    backed_up_slugs,
    find_backup,
    latest_backup,
    list_backups,
    load_manifest,
    load_verdicts,
    platform_for,
)
from agentarmy_ops.backups.reference import (
    ENCRYPTED_ARCHIVE,
    BackupRef,
    new_id,
    time_of,
    validate_backup_id,
)
from agentarmy_ops.backups.verdict import Status, Verdict, read_verdict
from agentarmy_ops.errors import ArchiveError, BackupNotFoundError, InvalidInputError
from agentarmy_ops.stores.base import Store
from agentarmy_ops_tests.fix_backups import Backups, Lab

MOMENT = datetime(2026, 11, 23, 2, 15, 3, tzinfo=UTC)


def test_ids_sort_by_time_also_within_a_second() -> None:
    moments = [MOMENT + timedelta(microseconds=i * 250) for i in range(4000)]
    ids = [new_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261123T021503Z-000")
    assert ids[-1].startswith("20261123T021503Z-ff")
    assert [validate_backup_id(each) for each in ids] == ids
    assert time_of(ids[0]) == MOMENT
    assert len({new_id(MOMENT) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "20261123T021503Z",
        "../x",
        "20261123T021503Z-7f3a9c\n",
        "20261132T021503Z-7f3a9c",
    ],
)
def test_what_is_no_backup_id(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a backup id"):
        validate_backup_id(text)


def test_backups_are_listed_oldest_first_with_all_that_belongs_to_them(backups: Backups) -> None:
    lab = backups.lab
    assert backed_up_slugs(lab.store) == ["acme", "globex"]
    second = lab.back_up("acme")
    first, newest = list_backups(lab.store, "acme")
    assert (first.ref, newest.ref) == (backups.ref("acme"), second.ref)
    assert latest_backup(lab.store, "acme") == newest
    assert find_backup(lab.store, "acme", first.ref.backup_id) == first
    assert first.stored_bytes == sum(
        item.size for item in lab.store.list(backups.ref("acme").prefix)
    )
    assert first.verifications == ()


def test_what_is_no_complete_backup_is_not_listed(backups: Backups) -> None:
    store = backups.lab.store
    incomplete = BackupRef.new("acme")
    for name in (incomplete.archive, "tenants/acme/notes.txt", "tenants/acme/x/manifest.json"):
        with store.create(name) as writer:
            writer.write(b"something")
    with store.create("tenants/Not A Slug/x") as writer:
        writer.write(b"something")
    assert [entry.ref for entry in list_backups(store, "acme")] == [backups.ref("acme")]
    assert backed_up_slugs(store) == ["acme", "globex"]
    with pytest.raises(BackupNotFoundError, match=incomplete.backup_id):
        find_backup(store, "acme", incomplete.backup_id)
    with pytest.raises(BackupNotFoundError):
        load_manifest(store, incomplete)


def test_a_tenant_or_platform_without_backups_is_told_apart(lab: Lab) -> None:
    assert list_backups(lab.store, "acme") == []
    with pytest.raises(BackupNotFoundError, match="tenant acme has no complete backup"):
        latest_backup(lab.store, "acme")
    with pytest.raises(BackupNotFoundError, match="the platform has no complete backup"):
        latest_backup(lab.store, None)


def put_verdict(store: Store, ref: BackupRef, status: Status, second: int) -> Verdict:
    moment = MOMENT + timedelta(seconds=second)
    verdict = Verdict(
        verification_id=new_id(moment),
        slug=ref.slug,
        backup_id=ref.backup_id,
        status=status,
        started_at=moment,
        finished_at=moment,
    )
    with store.create(ref.verification(verdict.verification_id, status)) as writer:
        writer.write(verdict.encode())
    return verdict


def test_verdicts_come_newest_first(backups: Backups) -> None:
    store, ref = backups.lab.store, backups.ref("acme")
    statuses = [Status.VERIFIED, Status.FAILED, Status.VERIFIED]
    for second, status in enumerate(statuses):
        put_verdict(store, ref, status, second)
        (entry,) = list_backups(store, "acme")
        assert (entry.status, len(entry.verifications)) == (status, second + 1)
    found = list(load_verdicts(store, entry))
    assert [verdict.status for verdict in found] == statuses[::-1]
    assert found[0].started_at > found[1].started_at
    backups.path(entry.verifications[-1]).write_bytes(b"{}")
    with pytest.raises(ArchiveError, match="is not a verdict"):
        list(load_verdicts(store, entry))


def test_a_verdict_whose_name_says_no_status_has_to_be_read(backups: Backups) -> None:
    store, ref = backups.lab.store, backups.ref("acme")
    put_verdict(store, ref, Status.VERIFIED, 1)
    verdict = put_verdict(store, ref, Status.FAILED, 2)
    path = backups.path(ref.verification(verdict.verification_id, Status.FAILED))
    path.rename(path.with_name(f"verification-{verdict.verification_id}.json"))
    (entry,) = list_backups(store, "acme")
    assert (entry.status, len(entry.verifications)) == (None, 2)
    assert next(load_verdicts(store, entry)) == verdict


def test_a_verdict_that_is_not_what_its_name_says_is_refused(backups: Backups) -> None:
    store, ref = backups.lab.store, backups.ref("acme")
    good = put_verdict(store, ref, Status.FAILED, 1)
    name = ref.verification(good.verification_id, Status.FAILED)
    assert read_verdict(name, good.encode()) == good
    for other, complaint in (
        (ref.verification(good.verification_id, Status.VERIFIED), "holds the verdict failed"),
        (ref.verification(new_id(), Status.FAILED), "on another backup: acme/"),
        (BackupRef.new("acme").verification(good.verification_id, "failed"), "on another backup"),
        (name.replace("/acme/", "/globex/"), "on another backup"),
        (f"{ref.prefix}verdict.json", "on another backup"),
    ):
        with pytest.raises(ArchiveError, match=complaint):
            read_verdict(other, good.encode())


def test_a_listing_shows_the_archive_and_whether_it_is_encrypted(backups: Backups) -> None:
    store, ref = backups.lab.store, backups.ref("acme")
    facts = load_manifest(store, ref).archive
    (entry,) = list_backups(store, "acme")
    assert entry.archive is not None
    assert (entry.archive.name, entry.archive.size) == (facts.object_name, facts.stored_bytes)
    assert (entry.encrypted, entry.status) == (False, None)
    backups.path(ref.archive).rename(backups.path(ref.prefix + ENCRYPTED_ARCHIVE))
    (entry,) = list_backups(store, "acme")
    assert entry.encrypted is True
    backups.path(ref.prefix + ENCRYPTED_ARCHIVE).unlink()
    (entry,) = list_backups(store, "acme")
    assert (entry.archive, entry.encrypted) == (None, None)


def test_a_tenant_is_restored_upon_the_next_platform_backup_or_else_the_last(
    backups: Backups,
) -> None:
    (entry,) = list_backups(backups.lab.store, None)
    refs = [BackupRef.new(None, MOMENT + timedelta(hours=hour)) for hour in range(3)]
    platforms = [type(entry)(ref, entry.completed_at, 1, ()) for ref in refs]
    for minutes, expected in ((-30, refs[0]), (30, refs[1]), (90, refs[2]), (150, refs[2])):
        backup_id = new_id(MOMENT + timedelta(minutes=minutes))
        assert platform_for(platforms, backup_id) == expected
    assert platform_for([], new_id(MOMENT)) is None
