from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.backups.stored import Backup, id_of, names, put_object
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def store(home: Path, environment: Callable[..., None], provision: Provision) -> LocalStore:
    """Three backups each of two tenants, one of them registered, and of the platform part; one
    a day is kept."""
    environment(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
    provision("acme")
    store = LocalStore(home / "backups")
    for slug in ("acme", "former", None):
        for days in (1, 2, 3):
            Backup(NOW - days * DAY).put(store, slug)
    return store


def test_the_plan_is_shown_and_then_applied(cli: Cli, store: LocalStore) -> None:
    before = names(store)
    shown = cli("prune", "--all")
    assert shown.code == 0
    header, *rows = shown.stdout.splitlines()
    assert header.split() == ["tenant", "backup", "age", "stored", "action", "why"]
    assert [(row.split()[0], row.split()[6]) for row in rows] == [
        ("acme", "keep"), ("acme", "remove"), ("acme", "remove"),
        ("former", "keep"), ("former", "keep"), ("former", "keep"),
        ("(platform)", "keep"), ("(platform)", "keep"), ("(platform)", "keep"),
    ]  # fmt: skip
    assert "Would remove 2 backups and free 36 B; --apply removes them." in shown.stderr
    assert names(store) == before

    done = cli("prune", "--all", "--apply")
    assert (done.code, "Removed 2 backups; freed 36 B." in done.stderr) == (0, True)
    assert len(before) - len(names(store)) == 4
    again = cli("prune", "--all", "--apply")
    assert "Removed 0 backups; freed 0 B." in again.stderr
    assert "Would remove 0 backups and free 0 B." in cli("prune", "--all").stderr


def test_json(cli: Cli, store: LocalStore) -> None:
    half = BackupRef("acme", id_of(NOW - 5 * DAY))
    put_object(store, half.archive, NOW - 5 * DAY)
    shown = cli("prune", "--tenant", "acme", "--json").json
    assert shown.keys() == {"store", "policy", "applied", "results", "total"}
    assert (shown["policy"], shown["applied"]) == ("daily=1 weekly=0 monthly=0", False)
    (result,) = shown["results"]
    assert (result["slug"], result["error"]) == ("acme", None)
    assert [item["action"] for item in result["items"]] == ["keep", *["remove"] * 3]
    assert result["items"][-1] == {
        "backup_id": half.backup_id,
        "begun_at": (NOW - 5 * DAY).isoformat(),
        "stored_bytes": 9,
        "complete": False,
        "action": "remove",
        "why": "left by an interruption",
    }
    assert shown["total"] == {
        "keep": 1, "remove": 3, "removed": 0, "held": 0, "failed": 0, "freed_bytes": 45
    }  # fmt: skip
    done = cli("prune", "--tenant", "acme", "--json", "--apply").json
    assert done["applied"]
    assert done["total"]["removed"] == 3


def test_the_platform_alone(cli: Cli, store: LocalStore) -> None:
    for slug in ("acme", "former"):
        for item in list(store.list(f"tenants/{slug}/")):
            store.delete(item.name)
    before = names(store)
    done = cli("prune", "--platform", "--apply", "--json").json
    assert [result["slug"] for result in done["results"]] == [None]
    assert done["total"]["removed"] == 2
    assert all(name.startswith("platform/") for name in set(before) - set(names(store)))


def test_a_tenants_own_policy(cli: Cli, store: LocalStore, app_database: AppDatabase) -> None:
    def total(policy: str) -> tuple[int, int]:
        with app_database.superuser.connect() as connection:
            connection.execute("UPDATE shared.tenants SET backup_retention = %s", [policy])
        outcome = cli("prune", "--all", "--json")
        return outcome.code, outcome.json["total"]["remove"]

    assert total("daily=2") == (0, 1)
    assert total("two") == (1, 0)
    outcome = cli("prune", "--all")
    assert "Error: acme: 'two' is not a retention policy" in outcome.stderr
    assert outcome.stdout.count("no usable policy") == 3


def test_half_written_files_are_swept_with_all(cli: Cli, store: LocalStore, home: Path) -> None:
    put_object(store, ".partial/x", NOW - 2 * DAY)
    cli("prune", "--all")
    cli("prune", "--tenant", "acme", "--apply")
    assert (home / "backups/.partial/x").exists()
    assert "and 1 half-written files" in cli("prune", "--all", "--apply").stderr
    assert not (home / "backups/.partial/x").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--all", "--tenant", "acme"), 2),
        (("--all", "--platform"), 2),
        (("--platform", "--tenant", "acme"), 2),
        (("--tenant", "former", "--apply"), 3),
        (("--tenant", "Acme"), 2),
    ],
    ids=str,
)
def test_refusals(cli: Cli, store: LocalStore, arguments: tuple[str, ...], code: int) -> None:
    before = names(store)
    outcome = cli("prune", *arguments)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert names(store) == before


def test_a_registry_that_is_empty_or_away_removes_nothing(
    cli: Cli, store: LocalStore, app_database: AppDatabase, environment: Callable[..., None]
) -> None:
    before = names(store)
    with app_database.superuser.connect() as connection:
        connection.execute("DELETE FROM shared.tenants")
    assert cli("prune", "--all", "--apply").code == 3
    environment(BACKUP_DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert cli("prune", "--all", "--apply").code == 1
    assert names(store) == before


def test_a_row_that_cannot_be_used_is_reported_and_its_backups_stay(
    cli: Cli, store: LocalStore, app_database: AppDatabase
) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute(
            "INSERT INTO shared.tenants (slug, name, schema_name) VALUES ('former', 'x', 'y')"
        )
    outcome = cli("prune", "--all", "--apply")
    assert (outcome.code, "tenant former lives in schema 'y'" in outcome.stderr) == (1, True)
    assert len(names(store, "tenants/former/")) == 6
    assert len(names(store, "tenants/acme/")) == 2


def test_check(cli: Cli, store: LocalStore, environment: Callable[..., None]) -> None:
    for item in list(store.list("")):
        store.delete(item.name)  # their manifests are none
    clean = cli("backups", "check", "--all")
    assert (clean.code, "Checked 0 backups." in clean.stderr) == (0, True)
    assert cli("backups", "check", "--tenant", "acme", "--json").json["problems"] == []
    put_object(store, "tenants/acme/notes.txt", NOW)
    outcome = cli("backups", "check", "--all", "--json")
    assert outcome.code == 1
    assert outcome.json == {
        "store": store.url,
        "deep": False,
        "registry": True,
        "problems": [
            {
                "kind": "stray",
                "slug": None,
                "backup_id": None,
                "object": "tenants/acme/notes.txt",
                "message": "tenants/acme/notes.txt belongs to no backup; see whose it is",
            }
        ],
        "backups": 0,
    }
    ref = Backup(NOW).put(store)
    outcome = cli("backups", "check", "--tenant", "acme", "--deep")
    assert (outcome.code, "Checked 1 backups." in outcome.stderr) == (5, True)
    assert f"acme          damaged-manifest  {ref.manifest} is not a manifest" in outcome.stdout
    assert cli("backups", "check").code == 2
    assert cli("backups", "check", "--tenant", "nobody").code == 3
    environment(BACKUP_DATABASE_URL="postgresql://127.0.0.1:1/x")
    store.delete(ref.manifest)
    store.delete("tenants/acme/notes.txt")
    outcome = cli("backups", "check", "--all", "--json")
    assert (outcome.code, outcome.json["registry"]) == (1, False)
    assert "that are not registered were not looked for: cannot connect" in outcome.stderr


def test_backups_may_outlive_their_tenant(
    cli: Cli, store: LocalStore, app_database: AppDatabase
) -> None:
    for item in list(store.list("")):
        store.delete(item.name)
    cli("backup", "--tenant", "acme", "--no-platform")
    with app_database.superuser.connect() as connection:
        connection.execute("DELETE FROM shared.tenants")
    outcome = cli("backups", "check", "--all", "--json", "--deep")
    assert (outcome.code, outcome.json["backups"]) == (0, 1)
    assert [problem["kind"] for problem in outcome.json["problems"]] == ["unregistered"]
