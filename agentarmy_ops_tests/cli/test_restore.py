"""``agentarmy-ops restore``, as an operator types it."""

import os
import pty
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision


@pytest.fixture
def users(app_database: AppDatabase) -> Callable[[], int]:
    def count() -> int:
        with app_database.superuser.connect() as connection:
            row = connection.execute("SELECT count(*) FROM tenant_acme.users").fetchone()
        assert row is not None
        return int(row[0])

    return count


@pytest.fixture
def proven(cli: Cli, provision: Provision, app_database: AppDatabase) -> str:
    """The id of a verified backup of tenant acme, whose only user was deleted since."""
    provision("acme")
    assert cli("backup", "--tenant", "acme").code == 0
    verdict = cli("verify", "--tenant", "acme", "--json").json["verdicts"][0]
    assert verdict["status"] == "verified"
    with app_database.superuser.connect() as connection:
        connection.execute("DELETE FROM tenant_acme.users")
    return str(verdict["backup_id"])


def test_restore_undo_list_and_drop(cli: Cli, proven: str, users: Callable[[], int]) -> None:
    done = cli("restore", "acme", "--yes")
    assert done.code == 0, done.stderr
    assert f"{proven} (verified)" in done.stdout
    assert "tenant acme is as it was at 20" in done.stdout
    assert users() == 1
    found = re.search(r"kept as schema (tenant_acme__before_\w+); ", done.stdout)
    assert found
    assert "rows tenant_acme.users\n" in done.stderr  # progress, by table

    listed = cli("restore", "acme", "--list-aside", "--json").json["aside"]
    assert [(one["schema"], one["why"]) for one in listed] == [(found.group(1), "before")]

    undone = cli("restore", "acme", "--undo", "--yes")
    assert undone.code == 0
    assert users() == 0
    table = cli("restore", "acme", "--list-aside").stdout
    assert "tenant_acme__undone_" in table
    assert found.group(1) in table  # what it was replaced by

    dropped = cli("restore", "acme", "--drop-aside", "--yes")
    assert dropped.stdout.startswith("schema tenant_acme__undone_")
    assert cli("restore", "acme", "--list-aside", "--json").json == {"aside": []}


def test_a_dry_run_touches_nothing(cli: Cli, proven: str, users: Callable[[], int]) -> None:
    plan = cli("restore", "acme", "--dry-run", "--json")
    assert plan.code == 0
    assert plan.json["restored"] is None
    assert plan.json["plan"]["backup_id"] == proven
    assert plan.json["plan"]["rows"] == 1
    assert plan.json["plan"]["refusals"] == []
    assert users() == 0
    shown = cli("restore", "acme", "--dry-run").stdout
    assert "tenant_acme, put aside first" in shown


def test_a_dry_run_says_what_speaks_against_it(
    cli: Cli, proven: str, app_database: AppDatabase
) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("CREATE VIEW shared.v AS SELECT id FROM tenant_acme.users")
    refused = cli("restore", "acme", "--dry-run", "--json")
    assert refused.code == 8
    assert "shared.v" in refused.json["plan"]["refusals"][0]
    assert refused.stderr.count("\n") == 1
    assert "nothing was touched" in refused.stderr


def test_json(cli: Cli, proven: str) -> None:
    done = cli("restore", "acme", "--yes", "--json").json
    assert done["plan"]["backup_id"] == proven
    assert done["restored"]["seconds"] > 0
    assert done["restored"]["aside"]["slug"] == "acme"
    back = cli("restore", "acme", "--undo", "--yes", "--json").json
    assert back["back"] == done["restored"]["aside"]
    dropped = cli("restore", "acme", "--drop-aside", "--yes", "--json").json["dropped"]
    assert dropped == [back["aside"]]


@pytest.mark.parametrize("mode", [[], ["--undo"], ["--drop-aside"]])
def test_without_a_terminal_it_wants_yes(
    cli: Cli, proven: str, users: Callable[[], int], mode: list[str]
) -> None:
    refused = cli("restore", "acme", *mode, stdin="acme\n")
    assert refused.code == 2
    assert refused.stderr.splitlines()[-1].endswith(
        "needs a confirmation, and there is no terminal to ask on; give --yes"
    )
    assert users() == 0


@pytest.mark.parametrize(("typed", "code", "rows"), [("acme", 0, 1), ("acne", 2, 0), ("", 2, 0)])
def test_on_a_terminal_the_slug_is_typed(
    start: Callable[..., Any],
    proven: str,
    users: Callable[[], int],
    typed: str,
    code: int,
    rows: int,
) -> None:
    ours, theirs = pty.openpty()
    process = start("restore", "acme", stdin=theirs)
    os.close(theirs)
    os.write(ours, f"{typed}\n".encode())
    _, stderr = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == code, stderr
    assert "Type acme to restore it" in stderr
    assert users() == rows


def test_before_and_backup(cli: Cli, proven: str, users: Callable[[], int]) -> None:
    assert cli("restore", "acme", "--backup", proven, "--yes").code == 0
    assert users() == 1
    missing = cli("restore", "acme", "--before", "2020-01-01", "--yes")
    assert missing.code == 3
    assert "has no complete backup from before 2020-01-01T00:00:00Z" in missing.stderr


def test_an_unverified_backup_needs_force(cli: Cli, proven: str, users: Callable[[], int]) -> None:
    newer = cli("backup", "--tenant", "acme", "--json").json["results"][0]["backup"]["backup_id"]
    refused = cli("restore", "acme", "--backup", newer, "--yes")
    assert refused.code == 8
    assert "is not verified (never verified)" in refused.stderr
    forced = cli("restore", "acme", "--backup", newer, "--yes", "--force")
    assert forced.code == 0
    assert "Warning: the backup is not verified" in forced.stderr
    assert users() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--undo", "--drop-aside"],
        ["--aside", "x"],
        ["--undo", "--before", "2020-01-01"],
        ["--list-aside", "--dry-run"],
        ["--backup", "20260101T000000Z-000000", "--before", "2020-01-01"],
        ["--before", "tomorrow"],
        ["--platform"],
        ["--undo", "--table", "users"],
        ["--as", "acme-copy", "--table", "users"],
        ["--name", "Acme"],
        ["--mend-comments"],
        ["--as", "Not A Slug"],
    ],
)
def test_options_that_do_not_go_together(cli: Cli, arguments: list[str]) -> None:
    refused = cli("restore", "acme", *arguments)
    assert refused.code == 2
    assert "Error: " in refused.stderr


def test_an_unknown_tenant(cli: Cli) -> None:
    missing = cli("restore", "nobody", "--yes")
    assert missing.code == 3
    assert missing.stderr.startswith("Error: tenant nobody has no complete backup in file://")


def test_a_table_beside_the_tenant(cli: Cli, proven: str, users: Callable[[], int]) -> None:
    done = cli("restore", "acme", "--table", "users", "--yes")
    assert done.code == 0, done.stderr
    found = re.search(r"beside it is schema (\S+) now, with rows of users: 1\n", done.stdout)
    assert found
    (statement,) = re.findall(r"  (INSERT INTO .*;)", done.stdout)
    assert statement.startswith(f'INSERT INTO tenant_acme."users" SELECT * FROM "{found.group(1)}"')
    assert users() == 0
    as_json = cli("restore", "acme", "--table", "users", "--yes", "--json").json["restored"]
    assert as_json["rows"] == {"users": 1}
    assert as_json["beside"]["why"] == "tables"
    named = cli("restore", "acme", "--drop-aside", "--aside", found.group(1), "--yes")
    assert named.stdout == f"schema {found.group(1)} dropped\n"
    assert len(cli("restore", "acme", "--list-aside", "--json").json["aside"]) == 1


def test_what_the_example_says_works(
    cli: Cli, proven: str, app_database: AppDatabase, users: Callable[[], int]
) -> None:
    shown = cli("restore", "acme", "--table", "users", "--yes").stdout
    with app_database.owner.connect() as connection:
        for statement in re.findall(r"^  (.*;)$", shown, re.MULTILINE):
            connection.execute(statement.encode())
    assert users() == 1


def test_a_new_tenant(
    cli: Cli,
    proven: str,
    app_database: AppDatabase,
    environment: Callable[..., None],
    redis_server: str,
) -> None:
    environment(REDIS_URL=redis_server)
    plan = cli("restore", "acme", "--as", "acme-copy", "--dry-run", "--json").json
    assert plan["plan"]["schema"] == "tenant_acme_copy"
    assert plan["restored"] is None
    done = cli("restore", "acme", "--as", "acme-copy", "--name", "Copy", "--yes", "--json").json
    tenant = cli("tenant", "show", "acme-copy", "--json").json["tenant"]
    assert (tenant["name"], tenant["id"]) == ("Copy", done["restored"]["tenant_id"])
    with redis.Redis.from_url(redis_server) as client:
        assert client.keys(f"t:{tenant['id']}:*") == [f"t:{tenant['id']}:initialized".encode()]
    again = cli("restore", "acme", "--as", "acme-copy", "--yes")
    assert again.code == 8
    assert again.stderr.count("\n") == 1
    assert cli("backup", "--tenant", "acme-copy").code == 0


def test_into_another_database(
    cli: Cli,
    proven: str,
    live_server: ConnInfo,
    new_database: Callable[[ConnInfo], ConnInfo],
) -> None:
    target = new_database(live_server)
    refused = cli("restore", "acme", "--target", program_dsn(target), "--yes")
    assert refused.code == 8
    assert "no shared.tenants; restore the platform part first" in refused.stderr
    assert cli("restore", "--platform", "--target", program_dsn(target), "--yes").code == 0
    assert cli("restore", "acme", "--target", program_dsn(target), "--yes").code == 0
    with target.connect() as connection:
        assert connection.execute("SELECT count(*) FROM tenant_acme.users").fetchone() == (1,)
    full = cli("restore", "--platform", "--target", program_dsn(target), "--yes", "--json")
    assert full.code == 8
    assert "is not empty" in full.stderr


def test_a_password_in_target_is_refused_and_not_shown(cli: Cli, proven: str) -> None:
    refused = cli("restore", "acme", "--target", "postgresql://u:s3cret@h/db", "--yes")
    assert refused.code == 2
    assert "PGPASSFILE" in refused.stderr
    assert "s3cret" not in refused.written


def test_redis_is_told(
    cli: Cli, proven: str, environment: Callable[..., None], redis_server: str
) -> None:
    environment(REDIS_URL=redis_server)
    assert cli("restore", "acme", "--yes").code == 0
    with redis.Redis.from_url(redis_server) as client:
        tenant = cli("tenant", "show", "acme", "--json").json["tenant"]
        assert client.exists(f"t:{tenant['id']}:initialized")
