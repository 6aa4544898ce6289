"""Which backup a restore takes, and that its archive is looked at before anything is touched."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.errors import (
    BackupNotFoundError,
    InvalidInputError,
    RestoreError,
    RestoreRefusedError,
)
from agentarmy_ops_tests.backups.restore.conftest import restore
from agentarmy_ops_tests.fix_backups import Lab


def test_the_latest_verified_backup_is_taken(proven_lab: Lab) -> None:
    verified = choose_backup(proven_lab.store, "acme")
    newer = proven_lab.back_up("acme")
    assert choose_backup(proven_lab.store, "acme").manifest == verified.manifest
    forced = choose_backup(proven_lab.store, "acme", force=True)
    assert forced.manifest == newer
    assert forced.status == "never verified"
    proven_lab.verify(newer.ref)
    assert choose_backup(proven_lab.store, "acme").manifest == newer


def test_a_backup_can_be_named(proven_lab: Lab) -> None:
    first = choose_backup(proven_lab.store, "acme").manifest
    second = proven_lab.back_up("acme")
    proven_lab.verify(second.ref)
    named = choose_backup(proven_lab.store, "acme", backup_id=first.backup_id)
    assert named.manifest == first
    third = proven_lab.back_up("acme").backup_id
    with pytest.raises(RestoreRefusedError, match=f"{third} is not verified .never verified.; ver"):
        choose_backup(proven_lab.store, "acme", backup_id=third)
    assert choose_backup(proven_lab.store, "acme", backup_id=third, force=True)
    with pytest.raises(BackupNotFoundError):
        choose_backup(proven_lab.store, "acme", backup_id="20200101T000000Z-000000")
    with pytest.raises(InvalidInputError):
        choose_backup(proven_lab.store, "acme", backup_id="../x")


def test_before_is_about_the_snapshot(proven_lab: Lab) -> None:
    first = choose_backup(proven_lab.store, "acme").manifest
    second = proven_lab.back_up("acme")
    proven_lab.verify(second.ref)

    def before(moment: datetime) -> str:
        return choose_backup(proven_lab.store, "acme", before=moment).manifest.backup_id

    assert before(datetime.now(UTC)) == second.backup_id
    assert before(second.snapshot.taken_at) == first.backup_id
    assert before(second.snapshot.taken_at + timedelta(microseconds=1)) == second.backup_id
    with pytest.raises(BackupNotFoundError, match="acme has no complete backup from before"):
        before(first.snapshot.taken_at)


def test_nothing_verified_is_refused(lab: Lab) -> None:
    with pytest.raises(BackupNotFoundError, match="tenant acme has no complete backup in"):
        choose_backup(lab.store, "acme")
    lab.back_up("acme")
    with pytest.raises(RestoreRefusedError, match="none of the 1 backups of tenant acme is verif"):
        choose_backup(lab.store, "acme")


def test_a_damaged_manifest_is_passed_over(proven_lab: Lab) -> None:
    good = choose_backup(proven_lab.store, "acme").manifest
    damaged = proven_lab.back_up("acme")
    proven_lab.verify(damaged.ref)
    (proven_lab.root / damaged.ref.manifest).write_text("{}")
    assert choose_backup(proven_lab.store, "acme").manifest == good


def test_an_archive_that_its_manifest_does_not_describe_is_refused(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    found = choice.manifest.fingerprint
    other = found.model_copy(update={"entries": found.entries[1:]})
    manifest = choice.manifest.model_copy(update={"fingerprint": other})
    with pytest.raises(RestoreRefusedError, match=r"is not the one that was written: .*unexpected"):
        restore(proven_lab, replace(choice, manifest=manifest))


def test_an_archive_that_changes_between_two_readings_is_noticed(proven_lab: Lab) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    proven_lab.run("UPDATE notes SET body = 'x'", "acme")
    other = proven_lab.back_up("acme").archive.object_name

    def exchange(step: Step, _: str) -> None:
        if step is Step.LOCK:
            path = proven_lab.root / choice.manifest.archive.object_name
            path.write_bytes((proven_lab.root / other).read_bytes())

    with pytest.raises(RestoreError, match="not what it was a moment ago: other rows of notes"):
        restore(proven_lab, choice, watch=exchange)


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_archive_is_refused_before_anything_is_touched(
    proven_lab: Lab, damage: str
) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    path = proven_lab.root / choice.manifest.archive.object_name
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    told: list[Step] = []
    message = "does not exist" if damage == "gone" else "is not the one that was written"
    with pytest.raises(Exception, match=message) as caught:
        restore(proven_lab, choice, watch=lambda step, _: told.append(step))
    assert "\n" not in str(caught.value)
    assert told == [Step.READ]
