"""Encrypted backups of real tenants: made, verified, and restored by stock programs alone."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from agentarmy_ops.backups import pipeline
from agentarmy_ops.backups.catalog import load_manifest
from agentarmy_ops.backups.create import BackupOutcome, back_up_platform, back_up_tenants
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.keys_format import new_identity
from agentarmy_ops.backups.manifest import Manifest, read_manifest
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups, verify_platform
from agentarmy_ops.errors import ArchiveError, SecretError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import ClientTools
from agentarmy_ops.secrets.base import Secret
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops_tests.backups.test_encryption import needs_age
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_backups import Lab, NewLab
from agentarmy_ops_tests.fix_gcs import Gcs

RECOVERY, RECOVERY_FILE = new_identity()
RECOVERY_RECIPIENT = str(RECOVERY.to_public())


@dataclass(frozen=True)
class Encrypted:
    """Tenants acme and globex and the platform part, with encrypted backups."""

    lab: Lab
    keys: Keys
    secrets: LocalSecretsStore
    manifests: dict[str | None, Manifest] = field(default_factory=dict)

    def back_up(self, *slugs: str, keys: Keys | None = None) -> dict[str, BackupOutcome]:
        source = self.lab.source(keys=keys or self.keys)
        tenants = [self.lab.tenants[slug] for slug in slugs]
        outcomes = back_up_tenants(source, self.lab.store, tenants)
        return {outcome.tenant.slug: outcome for outcome in outcomes}

    def make(self, slug: str) -> Manifest:
        outcome = self.back_up(slug)[slug]
        assert outcome.manifest is not None, outcome.error
        return outcome.manifest

    def verifier(self, keys: Keys | None = None) -> Verifier:
        return replace(self.lab.verifier(), keys=keys or self.keys)

    def verify(self, *manifests: Manifest, keys: Keys | None = None) -> list[Verdict]:
        refs = [manifest.ref for manifest in manifests]
        found = {v.ref: v for v in verify_backups(self.verifier(keys), refs)}
        return [found[ref] for ref in refs]

    def path(self, slug: str | None) -> Path:
        return self.lab.root / self.manifests[slug].archive.object_name


@pytest.fixture
def encrypted(new_lab: NewLab, tmp_path: Path) -> Encrypted:
    lab = new_lab()
    secrets = LocalSecretsStore(tmp_path / "secrets")
    keys = Keys(secrets, encrypts=True, recovery_recipient=RECOVERY_RECIPIENT)
    made = Encrypted(lab, keys, secrets)
    for slug in ("acme", "globex"):
        lab.add_small_tenant(slug)
    for slug, outcome in made.back_up("acme", "globex").items():
        assert outcome.manifest is not None, outcome.error
        made.manifests[slug] = outcome.manifest
    made.manifests[None] = back_up_platform(lab.source(keys=keys), lab.store)
    return made


def _recovery(tmp_path: Path) -> Keys:
    path = tmp_path / "recovery.txt"
    path.write_text(RECOVERY_FILE.get_secret_value())
    path.chmod(0o600)
    return Keys(identity_file=path)


def test_manifests_say_how_and_hold_no_key(
    encrypted: Encrypted, caplog: pytest.LogCaptureFixture
) -> None:
    recipients = set()
    for slug, manifest in encrypted.manifests.items():
        encryption = manifest.archive.encryption
        assert encryption is not None
        assert encryption.secret == f"{slug or 'platform_part'}-backup-key"
        assert (encryption.version, encryption.recipients[1]) == ("1", RECOVERY_RECIPIENT)
        recipients.add(encryption.recipients[0])
        assert manifest.archive.object_name == manifest.ref.encrypted_archive
        assert encrypted.path(slug).read_bytes().startswith(b"age-encryption.org/v1\n-> X25519 ")
        assert load_manifest(encrypted.lab.store, manifest.ref) == manifest
    assert len(recipients) == 3
    for path in encrypted.lab.root.rglob("*"):
        assert path.is_dir() or b"AGE-SECRET-KEY" not in path.read_bytes()
    assert "AGE-SECRET-KEY" not in caplog.text


def test_encrypted_backups_are_verified_together_and_alone(encrypted: Encrypted) -> None:
    acme, globex = encrypted.manifests["acme"], encrypted.manifests["globex"]
    for verdict in (*encrypted.verify(acme, globex), *encrypted.verify(acme)):
        assert (verdict.status, verdict.summary) == (Status.VERIFIED, "verified")
        assert verdict.archive_sha256 == encrypted.manifests[verdict.slug].archive.sha256
    verdict = verify_platform(encrypted.verifier(), encrypted.manifests[None].ref)
    assert verdict.status is Status.VERIFIED
    assert "AGE-SECRET-KEY" not in verdict.model_dump_json()


def test_encrypted_and_plain_backups_live_side_by_side(encrypted: Encrypted) -> None:
    plain = encrypted.back_up("acme", keys=Keys())["acme"].manifest
    assert plain is not None
    assert plain.archive.encryption is None
    assert plain.archive.object_name == plain.ref.archive
    verdicts = encrypted.verify(plain, encrypted.manifests["acme"], encrypted.manifests["globex"])
    assert [v.status for v in verdicts] == [Status.VERIFIED] * 3


def test_a_manifest_names_the_archive_that_fits(encrypted: Encrypted) -> None:
    manifest = encrypted.manifests["acme"]
    for update in ({"object_name": manifest.ref.archive}, {"encryption": None}):
        facts = manifest.archive.model_copy(update=update)
        other = manifest.model_copy(update={"archive": facts})
        with pytest.raises(ArchiveError, match="names an archive of another backup"):
            read_manifest(manifest.ref, other.encode())


@pytest.mark.parametrize("damage", ["flip", "cut", "chunk", "swap"])
def test_a_damaged_object_is_a_failed_backup(encrypted: Encrypted, damage: str) -> None:
    path = encrypted.path("acme")
    stored = path.read_bytes()
    middle = len(stored) // 2
    path.write_bytes(
        {
            "flip": stored[:middle] + bytes([stored[middle] ^ 1]) + stored[middle + 1 :],
            "cut": stored[:-1],
            "chunk": stored[: stored.index(b"\n", stored.index(b"\n---") + 1) + 17],
            # Somebody else's archive, encrypted to somebody else's key.
            "swap": encrypted.path("globex").read_bytes(),
        }[damage]
    )
    (verdict,) = encrypted.verify(encrypted.manifests["acme"])
    assert verdict.status is Status.FAILED
    assert verdict.causes[0].startswith("the stored archive is not the one that was written")
    assert verdict.causes[1].startswith("the stored object is damaged: age says: ")


def test_a_missing_key_is_no_verdict_on_that_tenant_only(encrypted: Encrypted) -> None:
    encrypted.keys.rotate("acme")
    encrypted.secrets.destroy("acme-backup-key", "1")
    bad, good = encrypted.verify(encrypted.manifests["acme"], encrypted.manifests["globex"])
    assert (bad.status, good.status) == (Status.ERROR, Status.VERIFIED)
    (cause,) = bad.causes
    assert cause.startswith("there is no version 1 of secret acme-backup-key in ")
    assert cause.endswith("restore it, or decrypt with the recovery identity: --identity-file")


def test_the_recovery_identity_reads_what_has_lost_its_key(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    for slug in ("acme", "globex", "platform_part"):
        encrypted.secrets.delete(f"{slug}-backup-key")
    both = encrypted.manifests["acme"], encrypted.manifests["globex"]
    assert {v.status for v in encrypted.verify(*both)} == {Status.ERROR}
    assert {v.status for v in encrypted.verify(*both, keys=_recovery(tmp_path))} == {
        Status.VERIFIED
    }


def test_backups_before_and_after_a_rotation_are_verified(encrypted: Encrypted) -> None:
    version, recipient = encrypted.keys.rotate("acme")
    manifest = encrypted.make("acme")
    assert manifest.archive.encryption is not None
    assert manifest.archive.encryption.version == version == "2"
    assert manifest.archive.encryption.recipients[0] == recipient
    for verdict in encrypted.verify(encrypted.manifests["acme"], manifest):
        assert verdict.status is Status.VERIFIED


def test_a_tenant_whose_key_cannot_be_had_fails_alone(encrypted: Encrypted) -> None:
    encrypted.secrets.set("acme-backup-key", SecretStr("not a key"))
    outcomes = encrypted.back_up("acme", "globex")
    assert isinstance(outcomes["acme"].error, SecretError)
    assert outcomes["globex"].manifest is not None
    assert len(list(encrypted.lab.store.list("tenants/acme/"))) == 2  # the backup of before


def test_a_platform_part_without_a_key_is_not_backed_up(encrypted: Encrypted) -> None:
    encrypted.secrets.set("platform_part-backup-key", SecretStr("not a key"))
    before = list(encrypted.lab.store.list("platform/"))
    with pytest.raises(SecretError):
        back_up_platform(encrypted.lab.source(keys=encrypted.keys), encrypted.lab.store)
    assert list(encrypted.lab.store.list("platform/")) == before


def test_two_first_backups_at_once_share_one_key(new_lab: NewLab, tmp_path: Path) -> None:
    lab = new_lab()
    secrets = LocalSecretsStore(tmp_path / "secrets")
    both = Encrypted(lab, Keys(secrets, encrypts=True), secrets)
    lab.add_small_tenant("acme")
    with ThreadPoolExecutor(2) as pool:
        manifests = list(pool.map(both.make, ["acme", "acme"]))
    assert list(secrets.versions("acme-backup-key")) == ["1"]
    assert len({manifest.archive.encryption for manifest in manifests}) == 1
    lab.back_up_platform()
    assert {v.status for v in both.verify(*manifests)} == {Status.VERIFIED}


class _Watched(LocalSecretsStore):
    """Notes what is accessed, and how many at once; each waits for another, if one may come."""

    def __init__(self, folder: Path, at_once: int) -> None:
        super().__init__(folder)
        self.accessed: list[str] = []
        self._together = threading.Barrier(at_once)

    def access(self, identifier: str, version: str | None = None) -> Secret:
        self.accessed.append(identifier)
        self._together.wait(timeout=30)  # broken, hence an error, unless they come together
        return super().access(identifier, version)


def test_keys_of_a_batch_are_looked_up_at_once_and_once(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    secrets = _Watched(tmp_path / "secrets", 2)
    outcomes = encrypted.back_up("acme", "globex", keys=Keys(secrets, encrypts=True))
    assert all(outcome.manifest for outcome in outcomes.values())
    assert sorted(secrets.accessed) == ["acme-backup-key", "globex-backup-key"]


def test_a_large_tenant_is_streamed(encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a thread, where the whole archive is never in memory; here from 1,000 bytes on."""
    monkeypatch.setattr(pipeline, "HELD_BYTES", 1000)
    manifest = encrypted.make("acme")
    assert manifest.archive.stored_bytes > 1000
    (verdict,) = encrypted.verify(manifest)
    assert verdict.status is Status.VERIFIED
    assert [thread for thread in threading.enumerate() if thread.name == "age"] == []


def _restored(tools: ClientTools, database: ConnInfo, archive: bytes) -> None:
    """With the stock pg_restore."""
    subprocess.run(
        [
            tools.program("pg_restore"),
            "--no-owner",
            "--no-privileges",
            "--exit-on-error",
            f"--dbname={program_dsn(database)}",
        ],
        input=archive,
        check=True,
    )


def _notes(database: ConnInfo) -> int:
    with database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM tenant_acme.notes").fetchone()
    return int(row[0]) if row else 0


@needs_age
@pytest.mark.skipif(not shutil.which("zstd"), reason="the program zstd is not installed")
@pytest.mark.parametrize("recovery", [False, True])
def test_age_zstd_and_pg_restore_are_all_it_takes(
    encrypted: Encrypted,
    recovery: bool,
    new_database: Callable[[ConnInfo], ConnInfo],
    tmp_path: Path,
) -> None:
    database = new_database(encrypted.lab.scratch_server)
    for slug in (None, "acme"):
        secret = encrypted.secrets.get(f"{slug or 'platform_part'}-backup-key")
        key = tmp_path / "key.txt"
        key.write_text((RECOVERY_FILE if recovery else secret).get_secret_value())
        pipe = f"age -d -i {key} {encrypted.path(slug)} | zstd -d"
        plain = subprocess.run(["/bin/sh", "-c", pipe], capture_output=True, check=True).stdout
        assert len(plain) == encrypted.manifests[slug].archive.plain_bytes
        _restored(encrypted.lab.tools, database, plain)
    assert _notes(database) == 400


@needs_age
@pytest.mark.skipif(not shutil.which("zstd"), reason="the program zstd is not installed")
@pytest.mark.parametrize("held", [1000, pipeline.HELD_BYTES], ids=["streamed", "held"])
def test_from_a_bucket_by_stock_programs(
    encrypted: Encrypted,
    gcs: Gcs,
    held: int,
    new_database: Callable[[ConnInfo], ConnInfo],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What a bucket gives over HTTP is decrypted and restored without this software; and with it
    is verified."""
    monkeypatch.setattr(pipeline, "HELD_BYTES", held)
    lab, store = encrypted.lab, gcs.store()
    source = lab.source(keys=encrypted.keys)
    (outcome,) = back_up_tenants(source, store, [lab.tenants["acme"]])
    assert outcome.manifest is not None, outcome.error
    platform = back_up_platform(source, store)
    database = new_database(lab.scratch_server)
    for manifest in (platform, outcome.manifest):
        slug = manifest.ref.slug or "platform_part"
        key = tmp_path / "key.txt"
        key.write_text(encrypted.secrets.get(f"{slug}-backup-key").get_secret_value())
        name = quote(f"backups/{manifest.archive.object_name}", safe="")
        url = f"{gcs.host}/download/storage/v1/b/{gcs.bucket}/o/{name}?alt=media"
        with urlopen(url) as response:  # noqa: S310 - of this test's own server
            stored = response.read()
        pipe = ["/bin/sh", "-c", f"age -d -i {key} | zstd -d"]
        plain = subprocess.run(pipe, input=stored, capture_output=True, check=True).stdout
        _restored(encrypted.lab.tools, database, plain)
    assert _notes(database) == 400
    verifier = replace(encrypted.verifier(), store=store)
    (verdict,) = verify_backups(verifier, [outcome.manifest.ref])
    assert verdict.status is Status.VERIFIED, verdict.summary


def _public_keys(program: Sequence[str], secret: SecretStr) -> str:
    data = secret.get_secret_value().encode()
    return subprocess.run(program, input=data, capture_output=True, check=True).stdout.decode()


@needs_age
def test_age_keygen_reads_our_secrets_and_we_read_its_files(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    ours = encrypted.secrets.get("acme-backup-key")
    encryption = encrypted.manifests["acme"].archive.encryption
    assert encryption is not None
    assert _public_keys(["age-keygen", "-y"], ours).strip() == encryption.recipients[0]
    subprocess.run(["age-keygen", "-o", tmp_path / "new.txt"], capture_output=True, check=True)
    theirs = SecretStr((tmp_path / "new.txt").read_text())
    encrypted.secrets.set("acme-backup-key", theirs)
    made = encrypted.make("acme").archive.encryption
    assert made is not None
    assert made.recipients[0] == _public_keys(["age-keygen", "-y"], theirs).strip()
    assert re.match(
        r"# created: \S+\n# public key: age1\S+\nAGE-SECRET-KEY-1\S+\n$", ours.get_secret_value()
    )


def test_nothing_of_it_is_left(encrypted: Encrypted) -> None:
    """No thread, no descriptor, whatever the outcome was."""
    encrypted.make("acme")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    encrypted.make("acme")
    encrypted.verify(encrypted.manifests["acme"], encrypted.manifests["globex"])
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
    assert [thread for thread in threading.enumerate() if thread.name == "age"] == []
