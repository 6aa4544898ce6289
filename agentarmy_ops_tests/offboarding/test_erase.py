"""An erasure leaves nothing of the tenant but what it says, everything of its neighbour, and can be
cut short anywhere."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agentarmy_ops.backups.catalog import find_backup, list_backups, load_manifest
from agentarmy_ops.backups.keys_format import new_identity
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.swap import restore_tenant
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import (
    DatabaseError,
    ObjectHeldError,
    OffboardingError,
    OffboardingRefusedError,
    OpsError,
    SecretError,
    SecretNotFoundError,
    TenantBusyError,
    TenantNotFoundError,
)
from agentarmy_ops.offboarding.erase import erase_tenant
from agentarmy_ops.offboarding.journal import (
    State,
    certificate_name,
    list_offboardings,
    newest_offboarding,
)
from agentarmy_ops.offboarding.records import BackupsMode, Certificate, Fate
from agentarmy_ops.offboarding.request import cancel_offboarding, request_offboarding
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.fix_gcs import Gcs
from agentarmy_ops_tests.offboarding.conftest import (
    NEIGHBOUR,
    House,
    StoppedError,
    redis_keys,
    stop_at,
)

_OF_THE_MOMENT = {"erasing_id", "certificate_id", "began_at", "certified_at"}
_KEY_FATES = {
    BackupsMode.KEEP: Fate.KEPT,
    BackupsMode.SHRED: Fate.DESTROYED,
    BackupsMode.DELETE: Fate.DELETED,
}
_MODES = pytest.mark.parametrize("mode", [*BackupsMode])


def erase(house: House, **keywords: Any) -> Certificate:
    return erase_tenant(house.offboarder(), "acme", **keywords)


def _state(house: House) -> State | None:
    found = newest_offboarding(house.lab.store, "acme")
    return found.state() if found else None


def _tree(folder: Path, *, without: str) -> dict[str, bytes]:
    """Files below a folder, but those of acme itself."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not str(path.relative_to(folder)).startswith(without)
    }


def _neighbour(house: House) -> list[object]:
    """All that acme-corp has anywhere."""
    return [
        _tree(house.lab.root / "tenants" / NEIGHBOUR, without="!"),
        {
            identifier: [
                house.secrets.access(identifier, v) for v in house.secrets.versions(identifier)
            ]
            for identifier in house.secrets.list(f"{NEIGHBOUR}-")
        },
        redis_keys(house, NEIGHBOUR) if house.redis_url else [],
        house.value(
            "SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM tenant_acme_corp.notes AS n"
        ),
        house.value(f"SELECT to_jsonb(t) FROM shared.tenants AS t WHERE slug = '{NEIGHBOUR}'"),
        house.schemas("tenant_acme_corp%"),
    ]


def _erased(certificate: Certificate) -> dict[str, Any]:
    return certificate.model_dump(exclude=_OF_THE_MOMENT)


@_MODES
def test_nothing_is_left_but_what_is_kept(requested_with_redis: House, mode: BackupsMode) -> None:
    house, told = requested_with_redis, list[Step]()
    neighbour = _neighbour(house)
    assert all(neighbour)
    ids = [entry.ref.backup_id for entry in list_backups(house.lab.store, "acme")]
    erase_tenant(house.offboarder(told.append), "acme", backups=mode)

    assert told == [
        Step.COMPARE,
        Step.PLAN,
        Step.COMMIT,
        Step.REDIS,
        Step.SECRETS,
        Step.BACKUPS,
        Step.CERTIFY,
    ]
    assert house.schemas() == ["tenant_acme_corp"]
    assert house.is_active("acme") is None
    assert redis_keys(house, "acme") == []
    assert _neighbour(house) == neighbour
    left = {BackupsMode.KEEP: ("1",)}.get(mode, ())
    assert tuple(house.secrets.versions("acme-backup-key")) == left
    others = [one for one in house.secrets.list("acme-") if not one.startswith(f"{NEIGHBOUR}-")]
    assert others == ([] if mode is BackupsMode.DELETE else ["acme-backup-key"])
    there = [entry.ref.backup_id for entry in list_backups(house.lab.store, "acme")]
    assert there == ([] if mode is BackupsMode.DELETE else ids)
    assert house.objects("tenants/acme/") == [] or mode is not BackupsMode.DELETE


@_MODES
def test_the_certificate_says_what_was_erased(
    requested_with_redis: House, mode: BackupsMode
) -> None:
    house = requested_with_redis
    ids = [entry.ref.backup_id for entry in list_backups(house.lab.store, "acme")]
    final = find_backup(house.lab.store, "acme", ids[-1])
    manifest = load_manifest(house.lab.store, final.ref)
    manifest_bytes = house.lab.store.read(final.ref.manifest)
    request = newest_offboarding(house.lab.store, "acme")
    assert request is not None
    certificate = erase(house, backups=mode)
    key = _KEY_FATES[mode]
    assert _state(house) is State.ERASED
    assert house.lab.store.read(certificate_name(certificate)) == certificate.encode()
    assert certificate.complete
    assert certificate.schemas == ("tenant_acme",)
    assert certificate.registry_row == "shared.tenants"
    assert certificate.redis_keys == 5
    assert certificate.not_erased == ()
    assert certificate.backups_mode is mode
    assert certificate.role == "agentarmy_owner"
    assert certificate.database == house.lab.database.params["dbname"]
    assert certificate.run_id == "run-1"
    assert certificate.tenant_id == house.lab.tenants["acme"].id
    assert certificate.requested_at == request.request.requested_at
    assert certificate.erase_after == request.request.erase_after
    assert certificate.requested_at < certificate.began_at < certificate.certified_at
    assert [(s.identifier, s.versions, s.fate) for s in certificate.secrets] == [
        ("acme-admin-password", ("1",), Fate.DELETED),
        ("acme-backup-key", ("1",), key),
        ("acme-smtp-password", ("1", "2"), Fate.DELETED),
    ]
    fate = {BackupsMode.KEEP: Fate.KEPT, BackupsMode.SHRED: Fate.SHREDDED}.get(mode, Fate.DELETED)
    assert [(b.backup_id, b.fate) for b in certificate.backups] == [(one, fate) for one in ids]
    assert certificate.backups[-1].archive_sha256 == manifest.archive.sha256
    assert manifest.archive.encryption is not None
    assert certificate.backups[-1].recipients == manifest.archive.encryption.recipients

    proof = certificate.final
    assert proof.backup_id == ids[-1] == request.request.backup_id
    assert proof.verification_id == request.request.verification_id
    assert proof.manifest_sha256 == hashlib.sha256(manifest_bytes).hexdigest()
    assert proof.archive_sha256 == manifest.archive.sha256
    assert proof.fingerprint_sha256 == manifest.fingerprint.sha256
    entries = json.loads(manifest_bytes)["fingerprint"]["entries"]
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False)
    assert proof.definitions_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert proof.definitions == len(entries)
    assert {(t.table, t.rows) for t in proof.tables} == {
        ("tenant_acme.users", 20),
        ("tenant_acme.notes", 400),
    }
    assert [t.sha256 for t in proof.tables] == [t.sha256 for t in manifest.fingerprint.tables]


@_MODES
def test_no_record_holds_personal_data(requested: House, mode: BackupsMode) -> None:
    erase(requested, backups=mode)
    written = b"".join(requested.lab.store.read(name) for name in requested.objects("offboarding/"))
    for private in (b"example.com", b"password of", b"AGE-SECRET", b"Acme", b"note 1"):
        assert private not in written


@_MODES
@pytest.mark.parametrize("place", range(7))
def test_cut_short_anywhere_the_next_call_completes_it(
    requested_with_redis: House, mode: BackupsMode, place: int
) -> None:
    house = requested_with_redis
    neighbour = _neighbour(house)
    with pytest.raises(StoppedError) as stopped:
        erase_tenant(house.offboarder(stop_at(place)), "acme", backups=mode)
    whole = stopped.value.args[0] in (Step.COMPARE, Step.PLAN, Step.COMMIT)
    assert (house.is_active("acme") is None) is not whole
    assert ("tenant_acme" in house.schemas()) is whole
    assert len(redis_keys(house, "acme")) == (0 if _is_past(stopped, Step.REDIS) else 5)
    assert _state(house) is not State.ERASED
    expected = None if whole else _planned(house)
    certificate = erase(house, backups=mode)
    assert expected in (None, _erased(certificate))
    assert certificate.redis_keys == 5
    assert [s.versions for s in certificate.secrets] == [("1",), ("1",), ("1", "2")]
    assert len(certificate.backups) == 2
    assert certificate.complete
    assert _state(house) is State.ERASED
    assert house.schemas() == ["tenant_acme_corp"]
    assert redis_keys(house, "acme") == []
    assert list(house.secrets.versions("acme-smtp-password")) == []
    assert _neighbour(house) == neighbour
    again = erase(house, backups=mode)
    assert again == certificate  # and once more it is only read


def _is_past(stopped: pytest.ExceptionInfo[StoppedError], step: Step) -> bool:
    steps = [*Step]
    return steps.index(stopped.value.args[0]) > steps.index(step)


def _planned(house: House) -> dict[str, Any]:
    """What the certificate must say, by the record written before anything was erased."""
    found = newest_offboarding(house.lab.store, "acme")
    assert found is not None
    assert found.erasing is not None
    planned = found.erasing.model_dump(exclude=_OF_THE_MOMENT)
    return {**planned, "complete": True, "not_erased": ()}


def test_what_has_changed_since_is_backed_up_and_proved_first(requested: House) -> None:
    house, told = requested, list[Step]()
    requested_id = list_backups(house.lab.store, "acme")[-1].ref.backup_id
    house.lab.run("DELETE FROM notes WHERE id > 300", "acme")
    certificate = erase_tenant(house.offboarder(told.append), "acme")
    assert told[:5] == [Step.COMPARE, Step.BACK_UP, Step.VERIFY, Step.COMPARE, Step.PLAN]
    newest = list_backups(house.lab.store, "acme")[-1]
    assert certificate.final.backup_id == newest.ref.backup_id != requested_id
    assert newest.status is Status.VERIFIED
    assert {t.table: t.rows for t in certificate.final.tables}["tenant_acme.notes"] == 300


def test_nobody_writes_between_the_comparison_and_the_end(requested: House) -> None:
    house = requested

    def write(step: Step) -> None:
        if step is Step.PLAN:
            with house.lab.database.connect() as connection:
                connection.execute("SET lock_timeout = '100ms'")
                connection.execute("DELETE FROM tenant_acme.notes")

    with pytest.raises(TenantBusyError):
        erase_tenant(house.offboarder(write), "acme")
    assert house.value("SELECT count(*) FROM tenant_acme.notes") == 400


def test_tables_are_locked_for_the_comparison(requested: House) -> None:
    """Who writes at that time has to wait; it is pg_dump that may read."""
    house, refused = requested, list[str]()

    def write(step: Step) -> None:
        if step is Step.COMPARE:
            for table in ("users", "notes"):
                with house.lab.database.connect(autocommit=True) as connection:
                    connection.execute("SET lock_timeout = '50ms'")
                    try:
                        connection.execute(f"DELETE FROM tenant_acme.{table} WHERE id < 0".encode())
                    except Exception as error:  # noqa: BLE001
                        refused.append(type(error).__name__)

    erase_tenant(house.offboarder(write), "acme")
    assert refused == ["LockNotAvailable"] * 2


def test_a_tenant_that_never_rests_is_not_erased(requested: House) -> None:
    house = requested

    def write(step: Step) -> None:
        if step is Step.VERIFY:
            house.lab.run(
                "INSERT INTO notes (author, body, tenant_id) "
                "SELECT 1, 'more', tenant_id FROM users LIMIT 1",
                "acme",
            )

    house.lab.run("DELETE FROM notes WHERE id > 300", "acme")
    with pytest.raises(OffboardingError, match="something still writes to it"):
        erase_tenant(house.offboarder(write), "acme")
    assert house.is_active() is False
    assert _state(house) is State.DUE


def test_schemas_kept_aside_go_too_and_a_neighbours_stay(requested: House) -> None:
    house = requested
    offboarder = house.offboarder()
    restore_tenant(offboarder.restorer, choose_backup(house.lab.store, "acme"))
    restore_tenant(
        offboarder.restorer, choose_backup(house.lab.store, NEIGHBOUR, force=True), force=True
    )
    aside = house.schemas("tenant_acme\\_\\_before%")
    theirs = house.schemas("tenant_acme_corp%")
    assert (len(aside), len(theirs)) == (1, 2)
    assert erase(house).schemas == (*aside, "tenant_acme")
    assert house.schemas() == theirs


def test_not_before_its_time(requested: House) -> None:
    house = requested
    later = house.offboarder(cooling_off=timedelta(days=30))
    cancel_offboarding(later, "acme")
    request = request_offboarding(later, "acme")
    with pytest.raises(OffboardingRefusedError, match=f"cools off until {request.erase_after:%Y}-"):
        erase(house)
    assert _state(house) is State.PENDING
    assert house.schemas() == ["tenant_acme", "tenant_acme_corp"]
    certificate = erase(house, now=True)
    assert certificate.complete
    assert certificate.erase_after > datetime.now(UTC)  # which says that it was not waited for


def _never(house: House) -> str:
    return NEIGHBOUR


def _cancelled(house: House) -> str:
    cancel_offboarding(house.offboarder(), "acme")
    return "acme"


def _active(house: House) -> str:
    house.lab.run("UPDATE shared.tenants SET is_active = true WHERE slug = 'acme'")
    return "acme"


def _depended_on(house: House) -> str:
    house.lab.run("CREATE VIEW shared.mails AS SELECT email FROM tenant_acme.users")
    return "acme"


def _another(house: House) -> str:
    house.lab.run("UPDATE shared.tenants SET id = gen_random_uuid() WHERE slug = 'acme'")
    return "acme"


REFUSED: list[tuple[Callable[[House], str], str]] = [
    (_never, "the erasure of tenant acme-corp was not requested; request it with"),
    (_cancelled, "the erasure of tenant acme was cancelled"),
    (_active, "tenant acme is active, though its erasure was requested"),
    (_depended_on, r"shared\.mails outside of it depends on it; drop that first"),
    (_another, "is another, or was brought back"),
]


@pytest.mark.parametrize(("speaks_against", "message"), REFUSED)
def test_what_speaks_against_it_is_said_and_nothing_is_touched(
    requested: House, speaks_against: Callable[[House], str], message: str
) -> None:
    house = requested
    slug = speaks_against(house)
    before = _tree(house.lab.root, without="!"), house.schemas(), _neighbour(house)
    with pytest.raises(OffboardingRefusedError, match=message) as caught:
        erase_tenant(house.offboarder(), slug, now=True)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 8
    assert before == (_tree(house.lab.root, without="!"), house.schemas(), _neighbour(house))
    assert len(list(house.secrets.list("acme-"))) == 6


def test_rows_of_others_that_refer_to_the_tenant(requested: House) -> None:
    house = requested
    house.lab.run(
        "CREATE TABLE shared.invoices (tenant uuid REFERENCES shared.tenants);"
        "INSERT INTO shared.invoices SELECT id FROM shared.tenants WHERE slug = 'acme'"
    )
    with pytest.raises(OffboardingError, match=r"foreign key constraint .* on table .invoices"):
        erase(house)
    assert "tenant_acme" in house.schemas()
    house.lab.run("DELETE FROM shared.invoices")
    assert erase(house).complete


def test_a_registry_with_a_bad_row_does_not_tell_whose_secrets_are_whose(requested: House) -> None:
    house = requested
    house.lab.run(f"UPDATE shared.tenants SET schema_name = 'x' WHERE slug = '{NEIGHBOUR}'")
    with pytest.raises(DatabaseError, match="correct that row"):
        erase(house)
    assert "tenant_acme" in house.schemas()


def test_a_tenant_that_vanished_otherwise(requested: House) -> None:
    house = requested
    with pytest.raises(StoppedError):
        erase_tenant(house.offboarder(stop_at(2)), "acme")  # the record is there, all else, too
    house.lab.run("DELETE FROM shared.tenants WHERE slug = 'acme'")
    with pytest.raises(TenantNotFoundError, match="was not erased by its offboarding"):
        erase(house)
    house.lab.run("DROP SCHEMA tenant_acme CASCADE")
    house.lab.run(f"DELETE FROM shared.tenants WHERE slug = '{NEIGHBOUR}'")
    assert len(list(house.secrets.list("acme-"))) == 6


def test_a_tenant_without_row_whose_erasure_never_began(requested: House) -> None:
    requested.lab.run("DELETE FROM shared.tenants WHERE slug = 'acme'")
    requested.lab.run("DROP SCHEMA tenant_acme CASCADE")
    with pytest.raises(TenantNotFoundError):
        erase(requested)
    with pytest.raises(OffboardingRefusedError, match="cannot be cancelled"):
        cancel_offboarding(requested.offboarder(), "acme")


def test_whoever_works_on_the_tenant_is_waited_for(requested: House) -> None:
    hasty = requested.offboarder()
    hasty = replace(hasty, restorer=replace(hasty.restorer, lock_timeout_seconds=0.2))
    with (
        requested.lab.database.connect(autocommit=True) as other,
        tenant_lock(other, "acme", timeout_seconds=5),
        pytest.raises(TenantBusyError),
    ):
        erase_tenant(hasty, "acme")


# --- backups and keys


def test_kept_backups_bring_the_tenant_back(requested_with_redis: House) -> None:
    house = requested_with_redis
    certificate = erase(house)
    offboarder = house.offboarder()
    restore_tenant(offboarder.restorer, choose_backup(house.lab.store, "acme"))
    assert house.is_active()
    assert house.value("SELECT id FROM shared.tenants WHERE slug = 'acme'") == certificate.tenant_id
    fingerprint = house.back_up("acme").fingerprint
    assert fingerprint.sha256 == certificate.final.fingerprint_sha256
    # What was requested once does not count for the one that is back.
    for mode in (None, BackupsMode.DELETE):
        with pytest.raises(OffboardingRefusedError, match="was brought back"):
            erase(house, backups=mode, now=True)
    with pytest.raises(OffboardingRefusedError, match="nothing to cancel"):
        cancel_offboarding(offboarder, "acme")
    second = request_offboarding(offboarder, "acme")
    assert second.offboarding_id != certificate.offboarding_id
    assert erase(house, backups=BackupsMode.DELETE).offboarding_id == second.offboarding_id
    assert house.objects("tenants/acme/") == []
    assert [one.state() for one in list_offboardings(house.lab.store)] == [State.ERASED] * 2


def test_shredded_backups_cannot_be_read_and_the_error_names_the_secret(requested: House) -> None:
    erase(requested, backups=BackupsMode.SHRED)
    choice = choose_backup(requested.lab.store, "acme")
    with pytest.raises(SecretNotFoundError, match=r"no version 1 of secret acme-backup-key"):
        restore_tenant(requested.offboarder().restorer, choice)
    assert requested.is_active() is None


def test_shredding_deletes_what_others_could_read(requested: House) -> None:
    house = requested
    plain = house.back_up("acme", encrypts=False)
    recovery = new_identity()[0].to_public()
    shared = replace(house, recovery_recipient=str(recovery)).back_up("acme")
    foreign = house.back_up("acme")
    path = house.lab.root / foreign.ref.manifest
    path.chmod(0o600)
    path.write_text(path.read_text().replace("acme-backup-key", "acme-other-key"))
    damaged = house.back_up("acme")
    (house.lab.root / damaged.ref.manifest).chmod(0o600)
    (house.lab.root / damaged.ref.manifest).write_text("{}")
    leftover = house.back_up("acme")
    (house.lab.root / leftover.ref.manifest).unlink()
    certificate = erase(house, backups=BackupsMode.SHRED)
    found = {one.backup_id: one for one in certificate.backups}
    for manifest, why in (
        (plain, "not encrypted"),
        (shared, "encrypted to a recovery recipient, too"),
        (foreign, "encrypted to another secret, acme-other-key"),
        (damaged, "nobody knows to whom it is encrypted"),
        (leftover, "nobody knows to whom it is encrypted"),
    ):
        one = found.pop(manifest.backup_id)
        assert (one.fate, one.why) == (Fate.DELETED, why)
        assert house.objects(manifest.ref.prefix) == []
    assert {one.fate for one in found.values()} == {Fate.SHREDDED}
    assert len(found) == 2
    assert len(list_backups(house.lab.store, "acme")) == 2


def test_a_recovery_recipient_that_is_the_tenants_own_does_not_count_as_shredded(
    requested: House,
) -> None:
    newest = list_backups(requested.lab.store, "acme")[-1]
    encryption = load_manifest(requested.lab.store, newest.ref).archive.encryption
    assert encryption is not None
    house = replace(requested, recovery_recipient=encryption.recipients[0])
    assert {b.fate for b in erase(house, backups=BackupsMode.SHRED).backups} == {Fate.DELETED}


def test_every_version_of_the_key_is_destroyed(requested: House) -> None:
    house = requested
    house.keys.rotate("acme")
    certificate = erase(house, backups=BackupsMode.SHRED)
    (key,) = (one for one in certificate.secrets if one.fate is Fate.DESTROYED)
    assert key.versions == ("1", "2")
    assert list(house.secrets.versions("acme-backup-key")) == []


def test_a_key_version_made_meanwhile_is_destroyed_too(requested: House) -> None:
    house = requested
    with pytest.raises(StoppedError):
        erase_tenant(house.offboarder(stop_at(3)), "acme", backups=BackupsMode.SHRED)
    house.keys.rotate("acme")
    erase(house)
    assert list(house.secrets.versions("acme-backup-key")) == []


def test_secrets_of_a_neighbour_that_has_only_backups_left_stay(requested: House) -> None:
    house = requested
    house.lab.run(f"DELETE FROM shared.tenants WHERE slug = '{NEIGHBOUR}'")
    theirs = list(house.secrets.list(f"{NEIGHBOUR}-"))
    assert len(theirs) == 3
    erase(house)
    assert list(house.secrets.list(f"{NEIGHBOUR}-")) == theirs


def test_backups_that_were_kept_go_when_more_is_asked_for(requested_with_redis: House) -> None:
    house = requested_with_redis
    kept = erase(house)
    assert erase(house, backups=BackupsMode.KEEP) == kept
    shredded = erase(house, backups=BackupsMode.SHRED)
    assert shredded.follows == certificate_name(kept)
    assert (shredded.schemas, shredded.registry_row, shredded.redis_keys) == ((), None, None)
    assert [s.identifier for s in shredded.secrets] == ["acme-backup-key"]
    assert shredded.final == kept.final
    with pytest.raises(OffboardingRefusedError, match="is erased with --backups shred, which"):
        erase(house, backups=BackupsMode.KEEP)
    deleted = erase(house, backups=BackupsMode.DELETE)
    assert deleted.follows == certificate_name(shredded)
    assert deleted.final == kept.final
    assert {b.fate for b in deleted.backups} == {Fate.DELETED}
    assert house.objects("tenants/acme/") == []
    assert erase(house) == deleted
    assert len(house.objects("offboarding/acme/")) == 7


@pytest.mark.parametrize("place", range(4))
def test_more_that_was_asked_for_and_cut_short_is_completed(requested: House, place: int) -> None:
    house = requested
    kept = erase(house)
    with pytest.raises(StoppedError):
        erase_tenant(house.offboarder(stop_at(place)), "acme", backups=BackupsMode.SHRED)
    assert _state(house) is State.ERASING
    shredded = erase(house)  # what was begun counts, without being named
    assert shredded.backups_mode is BackupsMode.SHRED
    assert shredded.follows == certificate_name(kept)
    assert list(house.secrets.versions("acme-backup-key")) == []
    assert _state(house) is State.ERASED


def test_the_mode_of_the_request_counts_unless_another_is_given(requested: House) -> None:
    house = requested
    cancel_offboarding(house.offboarder(), "acme")
    request_offboarding(house.offboarder(), "acme", backups=BackupsMode.DELETE)
    assert erase(house).backups_mode is BackupsMode.DELETE


def test_strays_go_with_everything_else(requested: House) -> None:
    house = requested
    last = list_backups(house.lab.store, "acme")[-1].ref
    for name in ("tenants/acme/notes.txt", f"{last.prefix}notes.txt"):
        with house.lab.store.create(name) as writer:
            writer.write(b"x")
    erase(house, backups=BackupsMode.SHRED)
    assert len([one for one in house.objects("tenants/acme/") if "notes" in one]) == 2
    erase(house, backups=BackupsMode.DELETE)
    assert house.objects("tenants/acme/") == []


class HoldingStore(LocalStore):
    """Protects objects whose names end so."""

    held = "archive.dump.zst.age"

    def delete(self, name: str) -> None:
        if self.held and name.endswith(self.held):
            raise ObjectHeldError(f"{name} is held")
        super().delete(name)


def test_what_the_store_holds_is_certified_as_not_erased(requested: House) -> None:
    house = requested
    store = HoldingStore(house.lab.root)
    offboarder = house.offboarder()
    offboarder = replace(offboarder, restorer=replace(offboarder.restorer, store=store))
    certificate = erase_tenant(offboarder, "acme", backups=BackupsMode.DELETE)
    archives = house.objects("tenants/acme/")
    assert certificate.not_erased == tuple(archives)
    assert len(archives) == 2
    assert not certificate.complete
    assert {(b.fate, b.why) for b in certificate.backups} == {(Fate.HELD, "the store holds it")}
    assert _state(house) is State.ERASING
    assert erase_tenant(offboarder, "acme") == certificate  # nothing new
    store.held = archives[0]
    second = erase_tenant(offboarder, "acme")
    assert second.not_erased == (archives[0],)
    assert [b.fate for b in second.backups] == [Fate.HELD, Fate.DELETED]
    store.held = ""
    third = erase_tenant(offboarder, "acme")
    assert third.complete
    assert _state(house) is State.ERASED
    assert house.objects("tenants/acme/") == []
    assert third.redis_keys is None


def test_a_hold_in_cloud_storage(requested: House, gcs: Gcs) -> None:
    house, store = requested, gcs.store()
    for item in house.lab.store.list(""):
        with store.create(item.name) as writer:
            writer.write(house.lab.store.read(item.name))
    first = f"backups/{house.objects('tenants/acme/')[0]}"
    gcs.content.patch(first, {"temporaryHold": True})
    offboarder = house.offboarder()
    offboarder = replace(
        offboarder,
        restorer=replace(offboarder.restorer, store=store),
        verifier=replace(offboarder.verifier, store=store),
    )
    certificate = erase_tenant(offboarder, "acme", backups=BackupsMode.DELETE)
    assert [f"backups/{name}" for name in certificate.not_erased] == [first]
    assert [b.fate for b in certificate.backups] == [Fate.HELD, Fate.DELETED]
    assert erase_tenant(offboarder, "acme") == certificate
    gcs.content.patch(first, {"temporaryHold": False})
    assert erase_tenant(offboarder, "acme").complete
    assert list(store.list("tenants/acme/")) == []
    assert len(list(store.list(f"tenants/{NEIGHBOUR}/"))) == 2
    assert house.objects("tenants/acme/") != []  # the other store was not touched


def test_a_backup_that_is_to_be_kept_is_read_once_more(requested: House) -> None:
    """It is the last there is of the tenant: bad bytes, or a lost key, mean a new one."""
    house, told = requested, list[Step]()
    entry = list_backups(house.lab.store, "acme")[-1]
    assert entry.archive is not None
    path = house.lab.root / entry.archive.name
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    certificate = erase_tenant(house.offboarder(told.append), "acme")
    assert told[0] is Step.BACK_UP
    assert certificate.final.backup_id > entry.ref.backup_id


def test_a_lost_key_means_a_new_backup(requested: House) -> None:
    house = requested
    entry = list_backups(house.lab.store, "acme")[-1]
    house.secrets.destroy("acme-backup-key", "1")
    certificate = erase(house)
    assert certificate.final.backup_id > entry.ref.backup_id
    assert certificate.backups[-1].recipients != certificate.backups[0].recipients
    restore_tenant(house.offboarder().restorer, choose_backup(house.lab.store, "acme"))


def test_an_archive_whose_key_was_not_destroyed_here_is_not_called_shredded(
    requested: House,
) -> None:
    house = requested
    house.secrets.destroy("acme-backup-key", "1")
    certificate = erase(house, backups=BackupsMode.SHRED)
    assert {(b.fate, b.why) for b in certificate.backups} == {
        (Fate.DELETED, "its key is not in the secrets store, and may be elsewhere")
    }


def test_without_any_verified_backup_one_is_made(requested: House) -> None:
    house, told = requested, list[Step]()
    for entry in list_backups(house.lab.store, "acme"):
        for name in entry.verifications:
            house.lab.store.delete(name)
    erase_tenant(house.offboarder(told.append), "acme", backups=BackupsMode.DELETE)
    assert told[:3] == [Step.BACK_UP, Step.VERIFY, Step.COMPARE]


def test_a_backup_of_another_tenant_that_had_the_slug_is_not_the_final_one(
    requested: House,
) -> None:
    house, told = requested, list[Step]()
    _another(house)
    request = request_offboarding(house.offboarder(), "acme")
    for entry in list_backups(house.lab.store, "acme"):
        if entry.ref.backup_id == request.backup_id:
            house.lab.store.delete(entry.verifications[-1])
    erase_tenant(house.offboarder(told.append), "acme")
    assert told[0] is Step.BACK_UP


class BrokenSecrets:
    """A store of secrets that is down for deletions."""

    def __init__(self, house: House) -> None:
        self._secrets = house.secrets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._secrets, name)

    def delete(self, identifier: str) -> None:
        raise SecretError(f"{identifier} cannot be deleted now")


def test_a_secrets_store_that_fails_is_one_line_and_the_next_call_completes(
    requested: House,
) -> None:
    broken = replace(requested.offboarder(), secrets=BrokenSecrets(requested))
    with pytest.raises(OpsError, match="acme-admin-password cannot be deleted now"):
        erase_tenant(broken, "acme")
    assert _state(requested) is State.ERASING
    assert erase(requested).complete


def test_secrets_in_google_secret_manager(requested: House, secret_manager: Any) -> None:
    store = secret_manager.store()
    house = replace(requested, secrets=store)
    house.keys.rotate("acme")
    for slug in ("acme", NEIGHBOUR):
        store.set(f"{slug}-admin-password", SecretStr("x"))
    erase(house, backups=BackupsMode.SHRED)
    assert list(store.list("")) == ["acme-backup-key", f"{NEIGHBOUR}-admin-password"]
    assert list(store.versions("acme-backup-key")) == []
