"""What is read of a fleet: each fact where it belongs, and nobody's trouble is another's."""

import threading
import uuid
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from agentarmy_ops.backups.reference import BackupRef, time_of
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import DatabaseError, OpsError, StoreError
from agentarmy_ops.observability.fleet import read
from agentarmy_ops.observability.fleet.model import PLATFORM_ID, State, Throughput
from agentarmy_ops.observability.fleet.read import HISTORY, FleetReader
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE
from agentarmy_ops_tests.backups.stored import put_object
from agentarmy_ops_tests.fix_backups import Backups, Lab, NewLab
from agentarmy_ops_tests.observability.fleet.conftest import (
    NOW,
    PutBackup,
    WatchedStore,
    put_verdict,
    reader_of,
)

DAY = timedelta(days=1)


def test_what_is_known_of_backups(backups: Backups) -> None:
    lab, ref = backups.lab, backups.ref("acme")
    put_verdict(lab, ref, Status.VERIFIED, after=3)
    fleet = reader_of(lab).read()
    assert [tenant.slug for tenant in fleet.tenants] == ["acme", "globex"]
    acme, manifest = fleet.by_slug["acme"], backups.manifests["acme"]
    assert manifest.tenant is not None
    assert acme.tenant_id == str(manifest.tenant.id)
    assert (acme.name, acme.schema_name, acme.state) == ("Acme", "tenant_acme", State.ACTIVE)
    (point,) = acme.history
    assert (point.backup_id, point.status) == (ref.backup_id, Status.VERIFIED)
    assert point.taken_at == acme.oldest_at == time_of(ref.backup_id)
    objects = [*lab.store.list(ref.prefix)]
    assert point.stored_bytes == acme.stored_bytes == sum(each.size for each in objects)
    assert acme.latest is not None
    assert acme.latest.backup_id == ref.backup_id
    assert acme.latest.taken_at == time_of(ref.backup_id)
    assert acme.latest.rows == 420
    assert acme.latest.plain_bytes == manifest.archive.plain_bytes
    assert acme.latest.stored_bytes == manifest.archive.stored_bytes
    assert acme.latest.finished_at == manifest.finished_at
    assert acme.latest.backup_seconds == manifest.backup_seconds
    assert not acme.latest.encrypted
    assert acme.proof is not None
    assert acme.proof.backup_id == ref.backup_id
    assert acme.proof.taken_at == time_of(ref.backup_id)
    assert acme.proof.verified_at == NOW + timedelta(minutes=3)
    assert acme.proof.restore_seconds == 4.5
    assert (acme.verdict, acme.backups, acme.problem) == (Status.VERIFIED, 1, None)
    globex = fleet.by_slug["globex"]
    assert (globex.backups, globex.verdict, globex.proof) == (1, None, None)
    platform = fleet.platform
    assert (platform.tenant_id, platform.backups, platform.state) == (PLATFORM_ID, 1, State.ACTIVE)
    assert (platform.verdict, platform.proof) == (None, None)
    assert platform.latest is not None
    assert fleet.store_bytes == sum(each.size for each in lab.store.list(""))
    assert fleet.problems == ()
    assert abs(fleet.read_at - NOW) < DAY
    assert fleet.seconds > 0


def test_a_tenant_without_backups(lab: Lab) -> None:
    fleet = reader_of(lab).read()
    (acme,) = fleet.tenants
    assert (acme.state, acme.backups, acme.history, acme.latest) == (State.ACTIVE, 0, (), None)
    assert (acme.oldest_at, acme.problem, fleet.platform.backups) == (None, None, 0)
    assert (fleet.throughput, fleet.store_bytes) == (None, 0)


def test_what_is_no_backup_counts_for_the_store_alone(lab: Lab, put_backup: PutBackup) -> None:
    acme = lab.tenants["acme"]
    put_backup(lab, acme, NOW - DAY)
    before = sum(item.size for item in lab.store.list(""))
    put_object(lab.store, BackupRef("acme", "20261123T021503Z-7f3a9c").archive, NOW, b"half")
    put_object(lab.store, BackupRef("lost", "20261123T021503Z-7f3a9c").archive, NOW, b"half")
    put_object(lab.store, "tenants/Not a slug/note", NOW, b"note")
    put_object(lab.store, "readme.txt", NOW, b"read me")
    fleet = reader_of(lab).read()
    (found,) = fleet.tenants
    assert (found.slug, found.backups, found.stored_bytes) == ("acme", 1, before)
    assert fleet.store_bytes == before + 4 + 4 + 4 + 7


def test_the_newest_backups_are_remembered(lab: Lab, put_backup: PutBackup) -> None:
    acme = lab.tenants["acme"]
    made = [put_backup(lab, acme, NOW - DAY * n) for n in range(HISTORY + 2, 0, -1)]
    put_verdict(lab, made[1].ref, Status.VERIFIED)
    (found,) = reader_of(lab).read().tenants
    assert [point.backup_id for point in found.history] == [each.backup_id for each in made[2:]]
    assert (found.backups, found.oldest_at) == (HISTORY + 2, NOW - DAY * (HISTORY + 2))
    assert found.stored_bytes == sum(item.size for item in lab.store.list("tenants/acme/"))
    # Its age does not make a proof worthless.
    assert found.proof is not None
    assert found.proof.backup_id == made[1].backup_id


@pytest.mark.parametrize("named", [True, False])
def test_the_newest_verdict_on_a_backup_counts(
    lab: Lab, put_backup: PutBackup, named: bool
) -> None:
    acme = lab.tenants["acme"]
    first, second, third, fourth = (put_backup(lab, acme, NOW - DAY * n) for n in (4, 3, 2, 1))
    put_verdict(lab, first.ref, Status.VERIFIED, after=1, named=named)
    put_verdict(lab, second.ref, Status.FAILED, after=2, named=named)
    put_verdict(lab, second.ref, Status.VERIFIED, after=3, named=named)
    put_verdict(lab, third.ref, Status.VERIFIED, after=4, named=named)
    put_verdict(lab, third.ref, Status.FAILED, after=5, named=named)
    (found,) = reader_of(lab).read().tenants
    assert found.verdict is Status.FAILED
    assert found.proof is not None
    assert found.proof.backup_id == second.backup_id
    assert found.proof.restore_seconds == 4.5
    statuses = {point.backup_id: point.status for point in found.history}
    assert statuses[fourth.backup_id] is None
    assert statuses[third.backup_id] is Status.FAILED
    assert statuses[second.backup_id] is Status.VERIFIED
    put_verdict(lab, fourth.ref, Status.VERIFIED, after=6, named=named)
    (found,) = reader_of(lab).read().tenants
    assert found.verdict is Status.VERIFIED
    assert found.proof is not None
    assert found.proof.backup_id == fourth.backup_id


def test_states(new_lab: NewLab, put_backup: PutBackup) -> None:
    lab = new_lab()
    for slug in ("active", "inactive", "missing"):
        lab.add_small_tenant(slug)
    lab.run("UPDATE shared.tenants SET is_active = false WHERE slug = 'inactive'")
    lab.run("DROP SCHEMA tenant_missing CASCADE")
    lab.add_small_tenant("gone")
    put_backup(lab, lab.tenants["gone"], NOW - DAY)
    lab.run("DELETE FROM shared.tenants WHERE slug = 'gone'")
    fleet = reader_of(lab).read()
    assert {tenant.slug: tenant.state for tenant in fleet.tenants} == {
        "active": State.ACTIVE,
        "gone": State.UNREGISTERED,
        "inactive": State.INACTIVE,
        "missing": State.MISSING,
    }
    gone = fleet.by_slug["gone"]
    assert gone.tenant_id == str(lab.tenants["gone"].id)
    assert (gone.name, gone.schema_name, gone.problem) == ("Gone", "tenant_gone", None)


def test_ids_are_unique(lab: Lab, put_backup: PutBackup) -> None:
    """A tenant that changed its slug has backups under both; of one nobody can read the id; one
    that is gone had two slugs."""
    put_backup(lab, lab.tenants["acme"], NOW - DAY)
    twice = lab.register("twice")
    put_backup(lab, twice, NOW - DAY)
    put_backup(lab, replace(twice, slug="twice-old", schema_name="tenant_twice_old"), NOW - DAY)
    lab.run("DELETE FROM shared.tenants WHERE slug = 'twice'")
    lab.run(
        "UPDATE shared.tenants SET slug = 'acme-new', schema_name = 'tenant_acme_new';"
        "ALTER SCHEMA tenant_acme RENAME TO tenant_acme_new"
    )
    gone = lab.register("gone")
    lab.run("DELETE FROM shared.tenants WHERE slug = 'gone'")
    put_object(lab.store, put_backup(lab, gone, NOW - DAY).ref.manifest, NOW, b"{")
    acme, new, lost, first, second = reader_of(lab).read().tenants
    assert (acme.tenant_id, acme.state) == ("unregistered/acme", State.UNREGISTERED)
    assert (new.tenant_id, new.state) == (str(lab.tenants["acme"].id), State.ACTIVE)
    assert (lost.slug, lost.tenant_id, lost.name) == ("gone", "unregistered/gone", "gone")
    assert (first.tenant_id, second.tenant_id) == (str(twice.id), "unregistered/twice-old")


def test_a_slug_that_another_tenant_had(lab: Lab, put_backup: PutBackup) -> None:
    put_backup(lab, lab.tenants["acme"], NOW - DAY)
    lab.run(f"UPDATE shared.tenants SET id = '{uuid.uuid4()}'")
    reader = reader_of(lab)
    (found,) = reader.read().tenants
    assert found.problem is not None
    assert f"another tenant ({lab.tenants['acme'].id})" in found.problem
    lab.run(f"UPDATE shared.tenants SET id = '{lab.tenants['acme'].id}'")
    (found,) = reader.read().tenants
    assert found.problem is None


def test_a_damaged_manifest_is_its_tenants_problem_until_it_is_mended(backups: Backups) -> None:
    lab, path = backups.lab, backups.path(backups.ref("acme").manifest)
    good = path.read_bytes()
    path.write_bytes(b"{")
    reader = reader_of(lab)
    fleet = reader.read()
    acme = fleet.by_slug["acme"]
    assert acme.latest is None
    assert acme.backups == 1
    assert acme.problem is not None
    assert "tenants/acme/" in acme.problem
    assert "is not a manifest" in acme.problem
    assert fleet.by_slug["globex"].latest is not None
    assert fleet.by_slug["globex"].problem is None
    path.write_bytes(good)
    acme = reader.read().by_slug["acme"]
    assert acme.latest is not None
    assert acme.problem is None


def test_a_damaged_verdict_is_no_proof(lab: Lab, put_backup: PutBackup) -> None:
    older, newer = (put_backup(lab, lab.tenants["acme"], NOW - DAY * n) for n in (2, 1))
    put_verdict(lab, older.ref, Status.VERIFIED, after=1)
    put_object(lab.store, put_verdict(lab, newer.ref, Status.VERIFIED, after=2), NOW, b"{")
    (found,) = reader_of(lab).read().tenants
    assert found.proof is not None
    assert found.proof.backup_id == older.backup_id
    assert found.problem is not None
    assert "is not a verdict" in found.problem


@pytest.mark.parametrize("leaf", ["manifest.json", ".verified.json"])
def test_what_is_removed_while_it_is_read(backups: Backups, leaf: str) -> None:
    put_verdict(backups.lab, backups.ref("acme"), Status.VERIFIED)
    store = WatchedStore(backups.lab.store)
    store.vanishing = (leaf,)
    acme = reader_of(backups.lab, store).read().by_slug["acme"]
    assert acme.problem is not None
    assert backups.ref("acme").backup_id in acme.problem
    assert (acme.latest is None) == (leaf == "manifest.json")
    assert (acme.proof is None) == (leaf == ".verified.json")


def test_one_object_that_cannot_be_read_is_not_the_stores_end(backups: Backups) -> None:
    store = WatchedStore(backups.lab.store)
    store.broken = (backups.ref("acme").manifest,)
    reader = reader_of(backups.lab, store)
    acme, globex = reader.read().tenants
    assert acme.problem is not None
    assert "the disk is broken" in acme.problem
    assert (acme.latest, globex.problem) == (None, None)
    # The store shows the same as before; what could not be read is tried again.
    store.broken = ()
    acme, _ = reader.read().tenants
    assert acme.latest is not None
    assert acme.problem is None


def test_many_objects_that_cannot_be_read_are(lab: Lab, put_backup: PutBackup) -> None:
    for number in range(20):
        put_backup(lab, lab.register(f"tenant-{number}"), NOW - DAY)
    store = WatchedStore(lab.store)
    store.broken = ("manifest.json",)
    reader = reader_of(lab, store)
    fleet = reader.read()
    assert sum(tenant.problem is not None for tenant in fleet.tenants) == 20
    put_backup(lab, lab.tenants["acme"], NOW - DAY)
    with pytest.raises(StoreError, match="the disk is broken"):
        reader.read()


def test_nothing_is_read_twice(lab: Lab, put_backup: PutBackup) -> None:
    acme, globex = lab.tenants["acme"], lab.add_small_tenant("globex")
    first = put_backup(lab, acme, NOW - DAY * 2)
    put_verdict(lab, first.ref, Status.VERIFIED)
    put_backup(lab, globex, NOW - DAY)
    put_backup(lab, None, NOW - DAY)
    store = WatchedStore(lab.store)
    reader = reader_of(lab, store)
    before = reader.read()
    assert sum(store.read_names.values()) == 4
    store.read_names.clear()
    again = reader.read()
    assert (store.read_names, store.listed) == ({}, 2)
    assert again.tenants == before.tenants
    assert again.by_slug["acme"].history is before.by_slug["acme"].history
    # A new backup: its manifest alone; the proof is that of the older one still.
    second = put_backup(lab, acme, NOW - DAY)
    found = reader.read().by_slug["acme"]
    assert store.read_names == {"manifest.json": 1}
    assert found.latest is not None
    assert found.latest.backup_id == second.backup_id
    assert found.proof == before.by_slug["acme"].proof
    # A new verdict: it alone.
    store.read_names.clear()
    name = put_verdict(lab, first.ref, Status.VERIFIED, after=9).rpartition("/")[2]
    found = reader.read().by_slug["acme"]
    assert store.read_names == {name: 1}
    assert found.proof is not None
    assert found.proof.restore_seconds == 10.5
    # A backup that is removed is gone.
    for item in list(lab.store.list(second.ref.prefix)):
        lab.store.delete(item.name)
    found = reader.read().by_slug["acme"]
    assert (found.backups, found.latest and found.latest.backup_id) == (1, first.backup_id)


def test_a_backup_in_the_place_of_another(lab: Lab, put_backup: PutBackup) -> None:
    """As many objects as before, and others."""
    first = put_backup(lab, lab.tenants["acme"], NOW - DAY)
    reader = reader_of(lab)
    reader.read()
    for item in list(lab.store.list(first.ref.prefix)):
        lab.store.delete(item.name)
    second = put_backup(lab, lab.tenants["acme"], NOW - DAY / 2)
    (acme,) = reader.read().tenants
    assert [point.backup_id for point in acme.history] == [second.backup_id]
    assert acme.latest is not None
    assert acme.latest.backup_id == second.backup_id


def test_the_newest_dump(new_lab: NewLab, put_backup: PutBackup) -> None:
    lab = new_lab()
    tenants = [lab.register(f"tenant-{number}") for number in range(4)]
    like = put_backup(lab, tenants[0], NOW - DAY * 3)

    def put(number: int, snapshot_at: int, started: int, finished: int) -> None:
        put_backup(
            lab,
            tenants[number],
            NOW - timedelta(minutes=number),
            started_at=NOW + timedelta(seconds=started),
            finished_at=NOW + timedelta(seconds=finished),
            snapshot=like.snapshot.model_copy(
                update={"taken_at": NOW + timedelta(seconds=snapshot_at)}
            ),
        )

    put(0, snapshot_at=5, started=7, finished=9)
    put(1, snapshot_at=5, started=6, finished=16)
    put(2, snapshot_at=5, started=8, finished=9)
    put(3, snapshot_at=1, started=0, finished=99)
    put_backup(lab, None, NOW, snapshot=like.snapshot.model_copy(update={"taken_at": NOW + DAY}))
    fleet = reader_of(lab).read()
    assert fleet.throughput == Throughput(3, 3 * like.archive.plain_bytes, 10)


def test_a_registry_that_cannot_be_reached(lab: Lab) -> None:
    nowhere = lab.database.with_params(dbname="no_such_database")
    reader = FleetReader(lambda: lab.store, lambda: nowhere.connect(autocommit=True))
    with pytest.raises(DatabaseError, match="no_such_database"):
        reader.read()


def test_a_registry_that_does_not_answer(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_STATEMENT_TIMEOUT", "50ms")
    with lab.database.connect() as connection:
        connection.execute("LOCK TABLE shared.tenants")
        with pytest.raises(DatabaseError, match="timeout"):
            reader_of(lab).read()


def test_the_registrys_session_is_left_as_it_was(lab: Lab) -> None:
    with lab.database.with_params(user=BACKUP_ROLE).connect(autocommit=True) as connection:
        before = connection.execute("SHOW statement_timeout").fetchone()
        read._read_registry(lambda: nullcontext(connection))
        assert connection.execute("SHOW statement_timeout").fetchone() == before


def test_a_row_that_breaks_the_rule(lab: Lab) -> None:
    lab.register("globex")
    lab.run("UPDATE shared.tenants SET schema_name = 'elsewhere' WHERE slug = 'globex'")
    fleet = reader_of(lab).read()
    assert [tenant.slug for tenant in fleet.tenants] == ["acme"]
    (problem,) = fleet.problems
    assert "globex" in problem


def test_a_store_that_cannot_be_listed(lab: Lab) -> None:
    lab.root.write_text("not a folder")
    with pytest.raises(StoreError, match="cannot list"):
        reader_of(lab).read()


def test_a_store_that_cannot_be_opened_now_may_be_later(lab: Lab) -> None:
    database = lab.database.with_params(user=BACKUP_ROLE)
    tries = 0

    def open_store() -> Store:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreError("no credentials")
        return lab.store

    reader = FleetReader(open_store, lambda: database.connect(autocommit=True))
    with pytest.raises(StoreError, match="no credentials"):
        reader.read()
    assert reader.read().tenants


def test_a_reading_can_be_stopped(lab: Lab, put_backup: PutBackup) -> None:
    put_backup(lab, lab.tenants["acme"], NOW - DAY)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(OpsError, match="the program ends"):
        reader_of(lab).read(stopping)
