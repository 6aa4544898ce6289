"""Whom archives are encrypted to, what decrypts them, and which keys are needed still."""

import logging
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pyrage.x25519 import Identity

from agentarmy_ops.backups import keys as keys_module
from agentarmy_ops.backups.keys import Keys, key_secret
from agentarmy_ops.backups.keys_format import (
    check_recipient,
    created_at,
    is_open_to_others,
    new_identity,
    parse_identities,
    read_identities,
)
from agentarmy_ops.backups.keys_versions import (
    destroy_unused,
    key_owners,
    look_up_key,
    unused_versions,
)
from agentarmy_ops.backups.manifest import Encryption, Manifest
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.errors import (
    ConfigurationError,
    InvalidInputError,
    OpsError,
    SecretError,
    SecretNotFoundError,
)
from agentarmy_ops.secrets.base import Secret
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.fix_backups import Backups

RECOVERY, RECOVERY_FILE = new_identity()
RECOVERY_RECIPIENT = str(RECOVERY.to_public())
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def secrets(tmp_path: Path) -> LocalSecretsStore:
    return LocalSecretsStore(tmp_path / "secrets")


@pytest.fixture
def keys(secrets: LocalSecretsStore) -> Keys:
    return Keys(secrets, encrypts=True)


def _encryption(keys: Keys, slug: str | None = "acme") -> Encryption:
    encryption = keys.encryption(slug)
    assert encryption is not None
    return encryption


def _recipient_of(secrets: LocalSecretsStore, encryption: Encryption) -> str:
    value = secrets.access(encryption.secret, encryption.version).value
    (identity,) = parse_identities(value, "")
    return str(identity.to_public())


def test_a_key_is_made_once_for_each_owner(keys: Keys, secrets: LocalSecretsStore) -> None:
    first = {slug: _encryption(keys, slug) for slug in ("acme", "globex", None)}
    assert {slug: _encryption(keys, slug) for slug in first} == first
    assert {e.secret for e in first.values()} == {
        "acme-backup-key",
        "globex-backup-key",
        "platform_part-backup-key",
    }
    assert len({e.recipients for e in first.values()}) == 3
    for encryption in first.values():
        assert encryption.version == "1"
        assert encryption.recipients == (_recipient_of(secrets, encryption),)


def test_nothing_is_made_where_nothing_is_encrypted(secrets: LocalSecretsStore) -> None:
    keys = Keys(secrets)
    assert keys.encryption("acme") is None
    assert keys.encryptions(["acme", "globex"]) == {"acme": None, "globex": None}
    assert list(secrets.list("")) == []


def test_the_secret_is_a_file_as_age_keygen_writes_it(
    keys: Keys, secrets: LocalSecretsStore
) -> None:
    encryption = _encryption(keys)
    created, public, private = secrets.get("acme-backup-key").get_secret_value().splitlines()
    assert datetime.now(UTC) - datetime.fromisoformat(
        created.removeprefix("# created: ")
    ) < timedelta(minutes=5)
    assert public == f"# public key: {encryption.recipients[0]}"
    assert private.startswith("AGE-SECRET-KEY-1")


def test_the_recovery_recipient_is_the_second(secrets: LocalSecretsStore) -> None:
    keys = Keys(secrets, encrypts=True, recovery_recipient=RECOVERY_RECIPIENT)
    encryption = _encryption(keys)
    assert encryption.recipients == (_recipient_of(secrets, encryption), RECOVERY_RECIPIENT)


def test_of_first_backups_that_race_all_are_encrypted_to_one_key(
    keys: Keys, secrets: LocalSecretsStore
) -> None:
    for number in range(20):
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(keys.encryption, [f"tenant-{number}"] * 8))
        assert len(found) == 1
        assert list(secrets.versions(f"tenant-{number}-backup-key")) == ["1"]


class _Racing(LocalSecretsStore):
    """Another process makes the key between our look and our attempt."""

    def create(self, identifier: str, value: SecretStr) -> str:
        super().create(identifier, new_identity()[1])
        return super().create(identifier, value)


def test_a_key_that_another_process_made_first_is_used(tmp_path: Path) -> None:
    secrets = _Racing(tmp_path)
    encryption = _encryption(Keys(secrets, encrypts=True))
    assert list(secrets.versions("acme-backup-key")) == ["1"]
    assert encryption.recipients == (_recipient_of(secrets, encryption),)


def test_a_tenant_without_a_usable_key_keeps_nobody_else_from_theirs(
    keys: Keys, secrets: LocalSecretsStore
) -> None:
    secrets.set("acme-backup-key", SecretStr("correct horse"))
    found = keys.encryptions(["acme", "globex"])
    assert isinstance(found["acme"], SecretError)
    assert str(found["acme"]) == (
        "secret acme-backup-key version 1 does not hold what age-keygen writes: lines of "
        "AGE-SECRET-KEY-1…"
    )
    assert found["globex"] == _encryption(keys, "globex")


class _Gone(LocalSecretsStore):
    """A store that knows nobody's key, or only that of ``zz``; counts who asks."""

    def __init__(self, folder: Path, known: str = "") -> None:
        super().__init__(folder)
        self.asked: list[str] = []
        self._known = known

    def access(self, identifier: str, version: str | None = None) -> Secret:
        assert version is None
        self.asked.append(identifier)
        if self._known and identifier == key_secret(self._known):
            return Secret(identifier, "1", RECOVERY_FILE)
        raise SecretError(f"cannot read secret {identifier}: the network is down")


def test_a_secrets_store_that_is_down_is_not_asked_for_every_tenant(tmp_path: Path) -> None:
    secrets = _Gone(tmp_path)
    slugs = [f"t{number}" for number in range(500)]
    found = Keys(secrets, encrypts=True).encryptions(slugs)
    assert all(isinstance(one, SecretError) for one in found.values())
    assert 32 <= len(secrets.asked) < 100
    assert "network is down" in str(found["t0"])
    assert str(found["t499"]).startswith("tenant t499 was not backed up, for the keys of ")


def test_a_store_that_knows_anybody_is_asked_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "_ACCESSES", 1)  # in this order
    secrets = _Gone(tmp_path, "zz")
    found = Keys(secrets, encrypts=True).encryptions(["zz", *(f"t{n}" for n in range(100))])
    assert isinstance(found["zz"], Encryption)
    assert len(secrets.asked) == 101


def test_a_key_just_made_is_read_by_its_number(tmp_path: Path) -> None:
    """For the newest may still be unknown elsewhere in a cloud."""

    class Lagging(LocalSecretsStore):
        def access(self, identifier: str, version: str | None = None) -> Secret:
            if version is None:
                raise SecretNotFoundError("there is none yet")
            return super().access(identifier, version)

    assert _encryption(Keys(Lagging(tmp_path), encrypts=True)).version == "1"


def test_two_identities_in_one_secret_are_refused(keys: Keys, secrets: LocalSecretsStore) -> None:
    both = RECOVERY_FILE.get_secret_value() + new_identity()[1].get_secret_value()
    secrets.set("acme-backup-key", SecretStr(both))
    with pytest.raises(SecretError, match="holds 2 age identities, not one"):
        keys.encryption("acme")


def _public(identities: list[Identity]) -> list[str]:
    return [str(identity.to_public()) for identity in identities]


def test_after_a_rotation_old_archives_are_decrypted_by_the_old_key(
    keys: Keys, secrets: LocalSecretsStore
) -> None:
    old = _encryption(keys)
    version, recipient = keys.rotate("acme")
    new = _encryption(keys)
    assert (new.version, new.recipients) == (version, (recipient,)) == ("2", new.recipients)
    assert new.recipients != old.recipients
    assert _public(keys.identities(old)) == list(old.recipients)
    assert _public(keys.identities(new)) == list(new.recipients)


@pytest.mark.parametrize("whole", [False, True])
def test_a_missing_key_is_named(keys: Keys, secrets: LocalSecretsStore, whole: bool) -> None:
    encryption = _encryption(keys)
    keys.rotate("acme")
    secrets.delete("acme-backup-key") if whole else secrets.destroy("acme-backup-key", "1")
    with pytest.raises(SecretNotFoundError) as raised:
        keys.identities(encryption)
    message = str(raised.value)
    assert message.startswith("there is no version 1 of secret acme-backup-key in ")
    assert message.endswith("; restore it, or decrypt with the recovery identity: --identity-file")


def test_a_key_that_was_replaced_is_not_tried(keys: Keys, secrets: LocalSecretsStore) -> None:
    encryption = _encryption(keys)
    secrets.delete("acme-backup-key")
    secrets.set("acme-backup-key", new_identity()[1])
    with pytest.raises(SecretError) as raised:
        keys.identities(encryption)
    assert "secret acme-backup-key version 1 is not a key of this archive" in str(raised.value)
    assert encryption.recipients[0] in str(raised.value)


def _recovery_file(tmp_path: Path, *more: SecretStr) -> Path:
    path = tmp_path / "recovery.txt"
    path.write_text("\n".join(one.get_secret_value() for one in (*more, RECOVERY_FILE)))
    path.chmod(0o600)
    return path


def test_the_recovery_identity_is_used_in_place_of_the_secret(
    secrets: LocalSecretsStore, tmp_path: Path
) -> None:
    keys = Keys(secrets, encrypts=True, recovery_recipient=RECOVERY_RECIPIENT)
    encryption = _encryption(keys)
    secrets.delete("acme-backup-key")
    file = _recovery_file(tmp_path, new_identity()[1])
    assert _public(replace(keys, identity_file=file).identities(encryption)) == [RECOVERY_RECIPIENT]
    assert _public(Keys(identity_file=file).identities(encryption)) == [RECOVERY_RECIPIENT]


def test_an_identity_file_that_does_not_fit_is_said_so(keys: Keys, tmp_path: Path) -> None:
    encryption = _encryption(keys)
    file = _recovery_file(tmp_path)
    with pytest.raises(SecretError, match=r"recovery\.txt is not a key of this archive"):
        replace(keys, identity_file=file).identities(encryption)


def test_without_a_secrets_store_it_is_said_what_to_do(keys: Keys) -> None:
    with pytest.raises(ConfigurationError, match=r"SECRETS_STORE_URL.*--identity-file"):
        Keys().identities(_encryption(keys))


@pytest.mark.parametrize(
    "content", [b"", b"# only a comment\n", b"\xff\xfe", b"age-encryption.org/v1\n-> scrypt"]
)
def test_an_identity_file_that_is_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    path.write_bytes(content)
    with pytest.raises(SecretError, match=r"key\.txt does not hold what age-keygen writes"):
        read_identities(path)


def test_an_identity_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot read identity file"):
        read_identities(tmp_path / "missing.txt")
    with pytest.raises(InvalidInputError, match="cannot read identity file"):
        read_identities(tmp_path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o604, 0o700])
def test_a_file_others_may_read_is_told(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    path.touch()
    path.chmod(mode)
    assert is_open_to_others(path) is bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def test_an_identity_is_read_with_comments_and_blank_lines() -> None:
    text = RECOVERY_FILE.get_secret_value()
    found = parse_identities(SecretStr(f"\n# mine\r\n\n  {text.splitlines()[-1]}  \r\n"), "")
    assert _public(found) == [RECOVERY_RECIPIENT]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("# created: 2026-11-23T12:00:00Z", NOW),
        ("# created: 2026-11-23T13:00:00+01:00", NOW),
        ("# created: 2026-11-23T12:00:00", NOW),
        ("# created: yesterday", None),
        ("# public key: age1", None),
    ],
)
def test_when_an_identity_was_made(first: str, expected: datetime | None) -> None:
    assert created_at(SecretStr(f"{first}\nAGE-SECRET-KEY-1…")) == expected


@pytest.mark.parametrize(
    "text",
    ["", "age1", "age1x", RECOVERY_RECIPIENT[:-1], str(RECOVERY), "ssh-ed25519 AAAA"],
    ids=["empty", "begin", "short", "cut", "identity", "ssh"],
)
def test_a_recovery_recipient_that_is_none_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Keys(recovery_recipient=text)
    assert str(raised.value).startswith("BACKUP_RECOVERY_RECIPIENT is not an age recipient")
    assert "AGE-SECRET" not in f"{raised.value!r}{raised.value.__cause__}{raised.value.args}"
    assert check_recipient(RECOVERY_RECIPIENT, name="X") == RECOVERY_RECIPIENT


def test_no_key_is_in_any_error_or_log(
    keys: Keys, secrets: LocalSecretsStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    private = str(Identity.generate())
    attempts: list[Callable[[], object]] = [
        lambda: parse_identities(SecretStr(private[:-3]), "key"),
        lambda: parse_identities(SecretStr(f"{private} {private}"), "key"),
        lambda: parse_identities(SecretStr(f"x{private}"), "key"),
        lambda: Keys(recovery_recipient=private),
        lambda: (
            secrets.set("acme-backup-key", SecretStr(private.lower()[:-1])),
            keys.encryption("acme"),
        ),
    ]
    for attempt in attempts:
        with pytest.raises(OpsError) as raised:
            attempt()
        shown = str(raised.getrepr(style="long", showlocals=False))
        assert "AGE-SECRET-KEY-1" + private[16:40] not in shown
        assert private[20:40].lower() not in str(raised.value).lower()
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
    assert private not in repr(keys)
    assert private[20:40] not in caplog.text


# Versions, and who needs them.


@pytest.fixture
def store(backups: Backups) -> LocalStore:
    """Two tenants' good backups and the platform part's; not encrypted."""
    return backups.lab.store


def _put(store: LocalStore, like: Manifest, encryption: Encryption | None) -> BackupRef:
    """One more backup, of which only the manifest is there."""
    ref = BackupRef.new(like.ref.slug)
    facts = like.archive.model_copy(
        update={
            "encryption": encryption,
            "object_name": ref.encrypted_archive if encryption else ref.archive,
        }
    )
    manifest = like.model_copy(update={"backup_id": ref.backup_id, "archive": facts})
    with store.create(ref.manifest) as writer:
        writer.write(manifest.encode())
    return ref


@pytest.fixture
def rotated(backups: Backups, store: LocalStore, keys: Keys, secrets: LocalSecretsStore) -> Keys:
    """Keys of acme, made days apart: version 1 is needed by two backups, 2 by none, 3 by one, 4 by
    none; 5 is the newest, of two days ago."""
    needed = {1: 2, 3: 1}
    for number in range(1, 6):
        moment = NOW - timedelta(days=2 * (6 - number))
        secrets.set("acme-backup-key", new_identity(moment)[1])
        for _ in range(needed.get(number, 0)):
            _put(store, backups.manifests["acme"], _encryption(keys))
    return keys


def test_versions_are_listed_with_what_needs_them(rotated: Keys, store: LocalStore) -> None:
    key = look_up_key(rotated, store, "acme")
    assert [(v.version, v.backups, v.is_there) for v in key.versions] == [
        ("1", 2, True),
        ("2", 0, True),
        ("3", 1, True),
        ("4", 0, True),
        ("5", 0, True),
    ]
    assert (key.slug, key.secret, key.newest) == ("acme", "acme-backup-key", "5")
    assert key.recipient == _encryption(rotated).recipients[0]
    assert (key.unencrypted, key.unreadable) == (1, ())


def test_only_what_nobody_needs_is_destroyed(
    rotated: Keys, store: LocalStore, secrets: LocalSecretsStore
) -> None:
    key = look_up_key(rotated, store, "acme")
    assert unused_versions(rotated, key, NOW) == ["2", "4"]
    assert list(secrets.versions("acme-backup-key")) == ["1", "2", "3", "4", "5"]
    assert destroy_unused(rotated, key, NOW) == ["2", "4"]
    assert list(secrets.versions("acme-backup-key")) == ["1", "3", "5"]
    again = look_up_key(rotated, store, "acme")
    assert unused_versions(rotated, again, NOW) == []


def test_what_was_the_newest_within_the_last_day_is_kept(rotated: Keys, store: LocalStore) -> None:
    key = look_up_key(rotated, store, "acme")
    replaced = NOW - timedelta(days=2)  # when 5 was made
    assert unused_versions(rotated, key, replaced + timedelta(days=1)) == ["2"]
    assert unused_versions(rotated, key, replaced + timedelta(days=1, seconds=1)) == ["2", "4"]
    assert unused_versions(rotated, key, NOW - timedelta(days=30)) == []


def test_who_does_not_say_when_it_was_made_protects_the_one_before(
    rotated: Keys, store: LocalStore, secrets: LocalSecretsStore
) -> None:
    secrets.set("acme-backup-key", SecretStr(str(Identity.generate())))
    key = look_up_key(rotated, store, "acme")
    assert unused_versions(rotated, key, NOW + timedelta(days=365)) == ["2", "4"]


def test_an_unreadable_manifest_keeps_all_versions(
    rotated: Keys, store: LocalStore, backups: Backups, secrets: LocalSecretsStore
) -> None:
    ref = _put(store, backups.manifests["acme"], None)
    backups.path(ref.manifest).write_text("{")
    key = look_up_key(rotated, store, "acme")
    assert len(key.unreadable) == 1
    with pytest.raises(SecretError, match="not known which versions of acme-backup-key are needed"):
        destroy_unused(rotated, key, NOW)
    assert len(secrets.versions("acme-backup-key")) == 5


def test_a_manifest_that_names_another_secret_keeps_all_versions(
    rotated: Keys, store: LocalStore, backups: Backups
) -> None:
    other = _encryption(rotated, "globex")
    _put(store, backups.manifests["acme"], other)
    key = look_up_key(rotated, store, "acme")
    assert "is encrypted to another secret, globex-backup-key" in key.unreadable[0]
    with pytest.raises(SecretError):
        unused_versions(rotated, key, NOW)


@pytest.mark.parametrize("gone", ["1", "3"])
def test_a_version_that_is_needed_and_gone_is_listed(
    gone: str, rotated: Keys, store: LocalStore, secrets: LocalSecretsStore
) -> None:
    secrets.destroy("acme-backup-key", gone)
    key = look_up_key(rotated, store, "acme")
    assert {v.version: v.is_there for v in key.versions} == {n: n != gone for n in "12345"}
    assert unused_versions(rotated, key, NOW) == ["2", "4"]


def test_who_has_no_key(keys: Keys, store: LocalStore) -> None:
    key = look_up_key(keys, store, "acme")
    assert (key.versions, key.newest, key.recipient, key.unencrypted) == ((), None, None, 1)
    assert unused_versions(keys, key, NOW) == []


def test_who_has_a_key(keys: Keys, secrets: LocalSecretsStore) -> None:
    assert list(key_owners(keys)) == []
    for slug in ("globex", None, "acme", "acme-backup-key"):
        keys.encryption(slug)
    secrets.set("acme-admin-password", SecretStr("x"))
    secrets.set("NOT_A_SLUG-backup-key", SecretStr("x"))
    assert list(key_owners(keys)) == ["acme", "acme-backup-key", "globex", None]
    secrets.delete(key_secret(None))
    assert None not in list(key_owners(keys))


def test_a_backup_that_is_complete_later_needs_no_version_that_is_looked_at(
    rotated: Keys, store: LocalStore, backups: Backups, tmp_path: Path
) -> None:
    """A version that appears while manifests are read is never called unused."""

    class Late(LocalSecretsStore):
        def versions(self, identifier: str) -> list[str]:
            found = list(super().versions(identifier))
            self.set(identifier, new_identity(NOW - timedelta(days=2))[1])
            return found

    keys = replace(rotated, secrets=Late(tmp_path / "secrets"))
    key = look_up_key(keys, store, "acme")
    assert key.newest == "5"
    assert "5" not in unused_versions(keys, key, NOW)


def test_what_is_encrypted_to_is_what_is_kept(tmp_path: Path) -> None:
    """Not what was sent: a store that kept something else would make archives nobody can read."""

    class Lossy(LocalSecretsStore):
        def create(self, identifier: str, value: SecretStr) -> str:
            del value
            return super().create(identifier, RECOVERY_FILE)

    assert _encryption(Keys(Lossy(tmp_path), encrypts=True)).recipients == (RECOVERY_RECIPIENT,)
