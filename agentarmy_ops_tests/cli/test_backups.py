import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def listed(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    """What ``backups list`` lists, without the ages, which grow."""
    outcome = cli("backups", "list", *arguments, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json.keys() == {"store", "backups"}
    found: list[dict[str, Any]] = outcome.json["backups"]
    assert all(0 <= b.pop("age_seconds") < 600 for b in found)
    return found


def test_list_needs_no_database(
    cli: Cli, backed_up: dict[str | None, str], no_database: Callable[[], None]
) -> None:
    no_database()
    every = listed(cli, "--all")
    assert [b["slug"] for b in every] == ["acme", "globex", None]
    assert [b["backup_id"] for b in every] == [backed_up[b["slug"]] for b in every]
    assert all(
        b.keys()
        == {
            "slug",
            "backup_id",
            "completed_at",
            "stored_bytes",
            "archive_bytes",
            "encrypted",
            "verifications",
            "verdict",
        }
        for b in every
    )
    assert all(0 < b["archive_bytes"] < b["stored_bytes"] for b in every)
    assert listed(cli) == every
    assert listed(cli, "acme") == every[:1]
    assert listed(cli, "--platform") == every[2:]
    header, first, *_, last = cli("backups", "list").stdout.splitlines()
    assert header.split() == [
        "tenant", "backup", "completed", "age", "stored", "encrypted", "verdict"
    ]  # fmt: skip
    assert first.split()[:2] == ["acme", backed_up["acme"]]
    assert last.split()[:2] == ["(platform)", backed_up[None]]
    assert re.search(r" \d+ s ", first)


@pytest.mark.parametrize(
    "arguments", [("acme", "--all"), ("acme", "--platform"), ("--all", "--platform")], ids=str
)
def test_list_of_one_owner_or_of_all(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("backups", "list", *arguments).code == 2


def test_list_of_nothing(cli: Cli) -> None:
    assert listed(cli) == []
    assert cli("backups", "list", "acme").code == 3


def test_list_of_a_tenant_without_backups_is_empty(cli: Cli, provision: Provision) -> None:
    provision("acme")
    assert listed(cli, "acme") == []


def test_list_shows_verdicts_by_the_names_of_their_objects(
    cli: Cli, backed_up: dict[str | None, str], home: Path
) -> None:
    cli("verify", "--all")

    def verdicts() -> dict[str | None, str | None]:
        return {b["slug"]: b["verdict"] for b in listed(cli)}

    assert verdicts() == {"acme": "verified", "globex": "verified", None: "verified"}
    (verdict,) = (home / "backups" / "tenants" / "acme").glob("*/verification-*.verified.json")
    verdict.write_text("{")  # nothing is read for a listing
    assert verdicts()["acme"] == "verified"
    verdict.rename(verdict.with_name(verdict.name.replace(".verified", "")))
    assert verdicts()["acme"] == "unknown"


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
