"""``keys …``, and what other commands say of encryption. ENVIRONMENT=testing encrypts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentarmy_ops.backups.keys_format import new_identity
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

RECOVERY, RECOVERY_FILE = new_identity()
PRIVATE = "AGE-SECRET-KEY-1"


@pytest.fixture
def backed_up(
    cli: Cli, environment: Callable[..., None], provision: Provision
) -> dict[str | None, Any]:
    """Two backed-up tenants; *backup* of each, and of the platform part under None."""
    environment(BACKUP_RECOVERY_RECIPIENT=str(RECOVERY.to_public()), LOCK_TIMEOUT_SECONDS=1)
    provision("acme")
    provision("globex")
    results = cli("backup", "--all", "--json").json["results"]
    return {r["slug"]: r["backup"] for r in results}


@pytest.fixture
def secrets(home: Path) -> LocalSecretsStore:
    return LocalSecretsStore(home / "secrets")


def _versions(cli: Cli, slug: str = "acme") -> dict[str, int]:
    (key,) = cli("keys", "list", "--tenant", slug, "--json").json["keys"]
    return {one["version"]: one["backups"] for one in key["versions"]}


def test_rotation_and_listing(cli: Cli, backed_up: dict[str | None, Any]) -> None:
    outcome = cli("keys", "rotate", "--tenant", "acme", "--platform", "--json")
    assert outcome.code == 0
    acme, platform = outcome.json["results"]
    assert acme.keys() == {"slug", "secret", "version", "recipient", "error"}
    assert (acme["slug"], acme["secret"], acme["version"]) == ("acme", "acme-backup-key", "2")
    assert (platform["slug"], platform["version"]) == (None, "2")
    assert _versions(cli) == {"1": 1, "2": 0}
    assert _versions(cli, "globex") == {"1": 1}
    assert cli("backup", "--tenant", "acme", "--no-platform").code == 0
    listed = cli("keys", "list", "--json").json["keys"]
    assert [key["slug"] for key in listed] == ["acme", "globex", None]
    assert listed[0] == {
        "slug": "acme",
        "secret": "acme-backup-key",
        "newest": "2",
        "recipient": acme["recipient"],
        "versions": [
            {"version": "1", "backups": 1, "is_there": True},
            {"version": "2", "backups": 1, "is_there": True},
        ],
        "unencrypted_backups": 0,
        "unreadable": [],
    }
    assert cli("keys", "list", "--platform", "--json").json["keys"] == [listed[-1]]
    table = cli("keys", "list").stdout
    assert acme["recipient"] in table
    assert "(platform)" in table
    assert PRIVATE not in table
    assert cli("verify", "--tenant", "acme").code == 0


def test_rotate_all(cli: Cli, backed_up: dict[str | None, Any]) -> None:
    rotated = cli("keys", "rotate", "--all", "--json").json["results"]
    assert [(r["slug"], r["version"]) for r in rotated] == [("acme", "2"), ("globex", "2")]
    assert "globex-backup-key" in cli("keys", "rotate", "--tenant", "globex").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("rotate",), 2),
        (("rotate", "--all", "--tenant", "acme"), 2),
        (("rotate", "--tenant", "nobody"), 3),
        (("list", "--tenant", "acme", "--platform"), 2),
        (("destroy-unused",), 2),
    ],
    ids=str,
)
def test_wrong_usage(
    cli: Cli, provision: Provision, arguments: tuple[str, ...], code: int, home: Path
) -> None:
    provision("acme")
    outcome = cli("keys", *arguments)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert not (home / "secrets").exists()


def test_where_backups_are_not_encrypted_rotation_says_so(
    cli: Cli, environment: Callable[..., None], provision: Provision
) -> None:
    environment(BACKUP_ENCRYPTION="false")
    provision("acme")
    outcome = cli("keys", "rotate", "--tenant", "acme")
    assert (outcome.code, "not encrypted here" in outcome.stderr) == (0, True)
    shown = cli("backup", "--tenant", "acme", "--json").json["results"][0]["backup"]
    assert shown["object_name"].endswith("/archive.dump.zst")
    assert "encryption        none" in cli("backups", "show", "acme").stdout


@pytest.fixture
def unused(cli: Cli, backed_up: dict[str | None, Any], secrets: LocalSecretsStore) -> None:
    """Acme's key: 1 is needed, 2 is not, 3 is the newest, of two days ago."""
    for _ in range(2):
        secrets.set("acme-backup-key", new_identity(datetime.now(UTC) - timedelta(days=2))[1])


@pytest.mark.usefixtures("unused")
def test_unused_keys_are_shown_and_then_destroyed(cli: Cli) -> None:
    shown = cli("keys", "destroy-unused", "--all", "--json").json
    assert not shown["applied"]
    assert [(r["slug"], r["versions"]) for r in shown["results"]] == [
        ("acme", ["2"]),
        ("globex", []),
        (None, []),
    ]
    assert "do it with --apply" in cli("keys", "destroy-unused", "--tenant", "acme").stderr
    assert _versions(cli) == {"1": 1, "2": 0, "3": 0}
    done = cli("keys", "destroy-unused", "--all", "--apply", "--json").json
    assert done == {**shown, "applied": True}
    assert _versions(cli) == {"1": 1, "3": 0}
    platform = cli("keys", "destroy-unused", "--platform", "--apply", "--json").json
    assert [(r["slug"], r["versions"]) for r in platform["results"]] == [(None, [])]
    assert cli("verify", "--tenant", "acme").code == 0


@pytest.mark.usefixtures("unused")
def test_no_key_is_destroyed_while_a_backup_is_under_way(
    cli: Cli, app_database: AppDatabase
) -> None:
    with (
        app_database.backup.connect(autocommit=True) as connection,
        tenant_lock(connection, "acme", timeout_seconds=1),
    ):
        outcome = cli("keys", "destroy-unused", "--tenant", "acme", "--apply", "--json")
        assert (outcome.code, outcome.json["results"][0]["versions"]) == (1, [])
        assert "tenant acme is busy" in outcome.stderr
        assert cli("keys", "destroy-unused", "--tenant", "acme").code == 0  # only shows
    assert _versions(cli) == {"1": 1, "2": 0, "3": 0}


@pytest.mark.usefixtures("unused")
def test_an_unreadable_manifest_keeps_that_tenants_keys_only(
    cli: Cli, backed_up: dict[str | None, Any], home: Path
) -> None:
    (manifest,) = (home / "backups" / "tenants" / "acme").glob("*/manifest.json")
    manifest.write_text("{")
    outcome = cli("keys", "destroy-unused", "--all", "--apply", "--json")
    assert outcome.code == 1
    assert "(platform)" not in outcome.stderr
    assert "acme: it is not known which versions of acme-backup-key are needed" in outcome.stderr
    assert [bool(r["error"]) for r in outcome.json["results"]] == [True, False, False]
    listed = cli("keys", "list", "--tenant", "acme")
    assert listed.code == 0
    assert "Warning: " in listed.stderr
    assert "manifest.json is not a manifest" in listed.stderr


def test_show_and_list_tell_how_a_backup_is_encrypted(
    cli: Cli, backed_up: dict[str | None, Any]
) -> None:
    assert backed_up["acme"]["object_name"].endswith("/archive.dump.zst.age")
    shown = cli("backups", "show", "acme").stdout
    assert "age, secret acme-backup-key version 1, to age1" in shown
    assert str(RECOVERY.to_public()) in shown


def test_a_lost_key_and_the_recovery_identity(
    cli: Cli, backed_up: dict[str | None, Any], secrets: LocalSecretsStore, tmp_path: Path
) -> None:
    for slug in ("acme", "platform_part"):
        secrets.delete(f"{slug}-backup-key")
    outcome = cli("verify", "--tenant", "acme")
    assert outcome.code == 6
    assert "platform_part-backup-key" in outcome.stderr  # it is restored first
    (gone,) = [
        line
        for line in cli("keys", "list", "--tenant", "acme").stdout.splitlines()
        if "gone" in line
    ]
    assert "acme-backup-key" in gone
    path = tmp_path / "recovery.txt"
    path.write_text(RECOVERY_FILE.get_secret_value())
    path.chmod(0o644)
    outcome = cli("verify", "--tenant", "acme", "--identity-file", str(path))
    assert outcome.code == 0
    assert f"Warning: others may read {path}, which decrypts backups" in outcome.stderr
    path.chmod(0o600)
    outcome = cli("verify", "--platform", "--identity-file", str(path))
    assert (outcome.code, "Warning" in outcome.stderr) == (0, False)
    assert PRIVATE not in outcome.written
    path.write_text(new_identity()[1].get_secret_value())
    outcome = cli("verify", "--tenant", "acme", "--identity-file", str(path))
    assert outcome.code == 6
    assert f"{path} is not a key of this archive" in outcome.stderr


def test_a_recovery_recipient_that_is_an_identity_is_not_shown(
    cli: Cli, environment: Callable[..., None], provision: Provision
) -> None:
    provision("acme")
    environment(BACKUP_RECOVERY_RECIPIENT=str(RECOVERY))
    outcome = cli("backup", "--tenant", "acme")
    assert outcome.code == 2
    assert "BACKUP_RECOVERY_RECIPIENT is not an age recipient" in outcome.stderr
    assert PRIVATE not in outcome.written
