from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision
from agentarmy_ops_tests.given import scratch_databases


@pytest.fixture
def backed_up(cli: Cli, provision: Provision) -> list[str]:
    """Slugs of two backed-up tenants."""
    slugs = ["acme", "globex"]
    for slug in slugs:
        provision(slug)
    cli("backup", "--all")
    return slugs


def damage(home: Path, slug: str) -> None:
    """Flip a bit of the newest archive."""
    archive = max((home / "backups" / "tenants" / slug).glob("*/archive.*"))
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)


def test_all(cli: Cli, backed_up: list[str], scratch_server: ConnInfo) -> None:
    outcome = cli("verify", "--all", "--json")
    assert outcome.code == 0
    assert outcome.json.keys() == {"verdicts", "problems"}
    verdicts = outcome.json["verdicts"]
    assert [(v["slug"], v["status"]) for v in verdicts] == [(s, "verified") for s in backed_up]
    assert all(v.keys() == {*Verdict.model_fields, "summary"} for v in verdicts)
    assert sorted(outcome.stderr.splitlines()) == ["acme: verified", "globex: verified"]
    assert scratch_databases(scratch_server) == []
    assert "verified" in cli("verify", "--all").stdout


def test_a_bad_backup_exits_with_5_and_is_named(cli: Cli, backed_up: list[str], home: Path) -> None:
    damage(home, "globex")
    outcome = cli("verify", "--all", "--json")
    assert outcome.code == 5
    assert {v["slug"]: v["status"] for v in outcome.json["verdicts"]} == {
        "acme": "verified",
        "globex": "failed",
    }
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("Error: globex: failed: ")
    assert "sha256" in errors[0]


def test_what_differs_is_named(
    cli: Cli, backed_up: list[str], home: Path, app_database: AppDatabase
) -> None:
    manifests = [max((home / "backups" / "tenants" / s).glob("*/manifest.json")) for s in backed_up]
    text = manifests[0].read_text()
    manifests[0].write_text(text.replace('"tag": "api_keys"', '"tag": "api_kees"'))
    assert manifests[0].read_text() != text
    outcome = cli("verify", "--tenant", "acme")
    assert outcome.code == 5
    assert "TABLE tenant_acme.api_kees: missing" in outcome.stderr


def test_no_verdict_exits_with_6(
    cli: Cli, backed_up: list[str], environment: Callable[..., None]
) -> None:
    environment(SCRATCH_DATABASE_URL="postgresql://u:s3cret@127.0.0.1:1/x")
    outcome = cli("verify", "--all", "--json")
    assert outcome.code == 6
    assert [v["status"] for v in outcome.json["verdicts"]] == ["error", "error"]
    assert "s3cret" not in outcome.written


def test_a_bad_backup_outweighs_a_missing_one(
    cli: Cli, backed_up: list[str], provision: Provision, home: Path
) -> None:
    provision("initech")
    outcome = cli("verify", "--all", "--json")
    assert outcome.code == 6
    missing = outcome.json["verdicts"][-1]
    assert missing.keys() == {*Verdict.model_fields, "summary"}
    assert (missing["slug"], missing["status"], missing["backup_id"]) == ("initech", "error", None)
    assert "tenant initech has no complete backup" in outcome.stderr
    damage(home, "acme")
    table = cli("verify", "--all")
    assert table.code == 5
    assert "initech" in table.stdout


def test_one_tenant_without_backup_exits_with_3(cli: Cli, provision: Provision) -> None:
    provision("acme")
    outcome = cli("verify", "--tenant", "acme")
    assert outcome.code == 3
    assert outcome.stderr.startswith("Error: tenant acme has no complete backup")


def test_a_chosen_backup(cli: Cli, backed_up: list[str]) -> None:
    first = cli("backups", "show", "acme", "--json").json["manifest"]["backup_id"]
    cli("backup", "--tenant", "acme", "--no-platform")
    outcome = cli("verify", "--tenant", "acme", "--backup", first, "--json")
    assert [v["backup_id"] for v in outcome.json["verdicts"]] == [first]
    newest = cli("verify", "--tenant", "acme", "--json").json["verdicts"][0]["backup_id"]
    assert newest > first


def test_backups_are_verified_though_the_live_database_is_lost(
    cli: Cli, backed_up: list[str], environment: Callable[..., None], home: Path
) -> None:
    nowhere = "postgresql://127.0.0.1:1/x"
    environment(DATABASE_URL=nowhere, BACKUP_DATABASE_URL=nowhere, SCRATCH_DATABASE_URL="")
    try:
        assert cli("verify", "--tenant", "acme").code == 0
    finally:
        cli("down")


def test_the_platform_alone(cli: Cli, backed_up: list[str]) -> None:
    outcome = cli("verify", "--platform", "--json")
    assert [(v["slug"], v["status"]) for v in outcome.json["verdicts"]] == [(None, "verified")]
    assert "(platform)" in cli("verify", "--platform").stdout


@pytest.mark.parametrize(
    "flags",
    [
        ("--all", "--tenant", "acme"),
        ("--all", "--platform"),
        ("--all", "--backup", "20200101T000000Z-000000"),
        ("--tenant", "acme", "--backup", "nonsense"),
    ],
    ids=" ".join,
)
def test_contradictions_are_usage_errors(cli: Cli, flags: tuple[str, ...]) -> None:
    assert cli("verify", *flags).code == 2


def test_a_backup_that_is_not_there(cli: Cli, backed_up: list[str]) -> None:
    outcome = cli("verify", "--tenant", "acme", "--backup", "20200101T000000Z-000000")
    assert outcome.code == 3
    assert "has no complete backup 20200101T000000Z-000000" in outcome.stderr
