from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import Provision


@pytest.fixture
def backed_up(cli: Cli, provision: Provision) -> dict[str | None, str]:
    """Two backed-up tenants: backup id by slug; the platform's is under None."""
    provision("acme")
    provision("globex")
    results = cli("backup", "--all", "--json").json["results"]
    return {r["slug"]: r["backup"]["backup_id"] for r in results}


@pytest.fixture
def no_database(environment: Callable[..., None]) -> Callable[[], None]:
    """Take the database away."""
    nowhere = "postgresql://127.0.0.1:1/x"
    return lambda: environment(DATABASE_URL=nowhere, BACKUP_DATABASE_URL=nowhere)


def test_list_needs_no_database(
    cli: Cli, backed_up: dict[str | None, str], no_database: Callable[[], None]
) -> None:
    no_database()
    listed = cli("backups", "list", "--json").json
    assert listed.keys() == {"store", "backups"}
    assert [b["slug"] for b in listed["backups"]] == ["acme", "globex", None]
    assert all(
        b.keys()
        == {"slug", "backup_id", "completed_at", "stored_bytes", "verifications", "verdict"}
        for b in listed["backups"]
    )
    one = cli("backups", "list", "--tenant", "acme", "--json").json["backups"]
    assert one == [b for b in listed["backups"] if b["slug"] == "acme"]
    platform = cli("backups", "list", "--platform", "--json").json["backups"]
    assert platform == [b for b in listed["backups"] if b["slug"] is None]
    assert backed_up["globex"] in cli("backups", "list").stdout


def test_list_of_a_tenant_without_backups_is_empty(cli: Cli, provision: Provision) -> None:
    provision("acme")
    outcome = cli("backups", "list", "--tenant", "acme", "--json")
    assert (outcome.code, outcome.json["backups"]) == (0, [])


def test_list_shows_verdicts_and_damaged_ones(
    cli: Cli, backed_up: dict[str | None, str], home: Path
) -> None:
    cli("verify", "--all")
    verdicts = {b["slug"]: b["verdict"] for b in cli("backups", "list", "--json").json["backups"]}
    assert verdicts == {"acme": "verified", "globex": "verified", None: "verified"}
    (damaged,) = (home / "backups" / "tenants" / "acme").glob("*/verification-*.json")
    damaged.write_text("{")
    outcome = cli("backups", "list", "--json")
    assert outcome.code == 0
    assert outcome.json["backups"][0]["verdict"] == "unreadable"


def test_show(cli: Cli, backed_up: dict[str | None, str], no_database: Callable[[], None]) -> None:
    cli("verify", "--tenant", "acme")
    no_database()
    shown = cli("backups", "show", "acme", "--json").json
    assert shown.keys() == {"store", "manifest", "verdicts"}
    assert shown["manifest"]["backup_id"] == backed_up["acme"]
    assert [v["status"] for v in shown["verdicts"]] == ["verified"]
    assert "summary" in shown["verdicts"][0]
    by_id = cli("backups", "show", "acme", backed_up["acme"] or "", "--json")
    assert by_id.json == cli("backups", "show", "acme", "latest", "--json").json == shown
    platform = cli("backups", "show", "--platform", "--json").json
    assert platform["manifest"]["tenant"] is None
    assert platform == cli("backups", "show", "--platform", str(backed_up[None]), "--json").json
    table = cli("backups", "show", "acme").stdout
    assert "tenant_acme.users" in table
    assert shown["manifest"]["archive"]["sha256"] in table


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("acme", "20200101T000000Z-000000"), 3),
        (("acme", "../x"), 2),
        (("acme", backup := "20200101T000000Z-000000", "--platform"), 2),
        ((), 2),
        (("--platform", backup), 3),
    ],
    ids=str,
)
def test_show_what_is_not_there(
    cli: Cli, backed_up: dict[str | None, str], arguments: tuple[str, ...], code: int
) -> None:
    outcome = cli("backups", "show", *arguments)
    assert (outcome.code, outcome.stdout) == (code, "")
