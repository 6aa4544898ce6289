import re
from pathlib import Path

import pytest

from agentarmy_ops.backups.diff.report import DefinitionChange, TableDiff, TenantDiff
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import ADMIN_EMAIL, AppDatabase, Provision


@pytest.fixture
def backup_id(cli: Cli, provision: Provision) -> str:
    """The one backup of tenant acme."""
    provision("acme")
    (result,) = cli("backup", "--tenant", "acme", "--no-platform", "--json").json["results"]
    found: str = result["backup"]["backup_id"]
    return found


@pytest.fixture
def changed(backup_id: str, app_database: AppDatabase) -> str:
    """The backup of acme, of which something of everything has changed since."""
    with app_database.superuser.connect() as connection:
        connection.execute(
            "SET search_path TO tenant_acme;"
            "UPDATE users SET name = 'Somebody Else';"
            "ALTER TABLE users ADD nickname text;"
            "CREATE TABLE new AS SELECT 1 AS n;"
            "DROP TABLE messages;"
            "SELECT nextval('usage_events_id_seq')"
        )
    return backup_id


def test_no_differences(cli: Cli, backup_id: str) -> None:
    outcome = cli("diff", "acme")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "No differences." in outcome.stdout
    assert f"acme/{backup_id}" in outcome.stdout
    asked = cli("diff", "acme", "--backup", backup_id, "--json")
    assert asked.code == 0
    assert asked.json.keys() == {*TenantDiff.model_fields, "differs"}
    assert (asked.json["differs"], asked.json["tables"]) == (False, [])


def test_differences_exit_with_9(cli: Cli, changed: str) -> None:
    outcome = cli("diff", "acme", "--json")
    assert (outcome.code, outcome.stderr, outcome.json["differs"]) == (9, "", True)
    assert (outcome.json["slug"], outcome.json["backup_id"]) == ("acme", changed)
    tables = {table["table"]: table for table in outcome.json["tables"]}
    assert tables.keys() == {"users", "new", "messages"}
    assert all(table.keys() == set(TableDiff.model_fields) for table in tables.values())
    assert tables["users"]["changed"] == 1
    assert tables["users"]["examples"] == {"added": [], "removed": [], "changed": []}
    assert (tables["new"]["backup_rows"], tables["messages"]["live_rows"]) == (None, None)
    changes = {one["what"]: one for one in outcome.json["definitions"]}
    assert all(one.keys() == set(DefinitionChange.model_fields) for one in changes.values())
    assert changes["TABLE tenant_acme.users"]["change"] == "changed"
    assert outcome.json["sequences"] == ["tenant_acme.usage_events_id_seq"]


def test_the_table_for_people(cli: Cli, changed: str, app_database: AppDatabase) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("CREATE TABLE tenant_acme.keyless AS SELECT 1 AS n")
    cli("backup", "--tenant", "acme", "--no-platform")
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE tenant_acme.keyless SET n = 2")
    latest = cli("diff", "acme")
    assert latest.code == 9
    cells = re.findall(r"[^\s│┃]+", next(x for x in latest.stdout.splitlines() if "keyless" in x))
    assert cells[:6] == ["keyless", "1", "1", "1", "1", "-"]
    assert "a changed row is one removed and one added" in latest.stdout
    assert "SEQUENCE" not in latest.stdout

    outcome = cli("diff", "acme", "--backup", changed)
    assert (outcome.code, outcome.stderr) == (9, "")
    lines = {line.split()[1]: line for line in outcome.stdout.splitlines() if "│" in line}
    assert re.findall(r"\w+", lines["users"])[:6] == ["users", "1", "1", "0", "0", "1"]
    assert "new columns, not compared: nickname" in lines["users"]
    assert "not in the backup" in lines["new"]
    assert "not there any more" in lines["messages"]
    assert re.findall(r"\w+", lines["new"])[:3] == ["new", "none", "1"]
    assert "SEQUENCE tenant_acme.usage_events_id_seq" in outcome.stdout
    assert "TABLE tenant_acme.messages" in outcome.stdout
    assert "tables without difference" in outcome.stdout


def test_keys_are_shown_when_asked_for_and_nothing_else_of_a_row(
    cli: Cli, changed: str, app_database: AppDatabase
) -> None:
    with app_database.superuser.connect() as connection:
        (row,) = connection.execute("SELECT id::text FROM tenant_acme.users").fetchall()
    (key,) = row
    for flags in ((), ("--json",)):
        assert key not in cli("diff", "acme", *flags).written
        shown = cli("diff", "acme", "--keys", "3", "--table", "users", *flags)
        assert key in shown.stdout
        assert shown.code == 9
        for value in (ADMIN_EMAIL, "Somebody Else", "argon2"):
            assert value not in shown.written


def test_what_is_not_there(cli: Cli, backup_id: str) -> None:
    for arguments, code in (
        (("nobody",), 3),
        (("acme", "--backup", "20200101T000000Z-000000"), 3),
        (("acme", "--backup", "../x"), 2),
        (("../x",), 2),
        (("acme", "--table", "nothing"), 2),
    ):
        outcome = cli("diff", *arguments)
        assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (code, "", 1), (
            arguments
        )
    assert cli("diff").code == 2
    assert cli("diff", "acme", "--keys", "-1").code == 2


def test_a_tenant_without_backup_is_not_found(cli: Cli, provision: Provision) -> None:
    provision("acme")
    outcome = cli("diff", "acme")
    assert outcome.code == 3
    assert "acme has no complete backup" in outcome.stderr
    unknown = cli("diff", "nobody")
    assert "there is no tenant nobody" in unknown.stderr


def test_a_backup_of_another_major_is_remarked(cli: Cli, backup_id: str, home: Path) -> None:
    (path,) = home.glob("backups/tenants/acme/*/manifest.json")
    text = path.read_text()
    version = re.search(r'"server_version": ?"(\d+)\.[^"]*"', text)
    assert version
    major = version.group(1)
    path.write_text(text.replace(version.group(0), '"server_version": "15.9"'))
    outcome = cli("diff", "acme", "--json")
    assert outcome.code == 0
    assert outcome.stderr.startswith(f"The backup is of PostgreSQL 15, the server is {major}: ")
    assert outcome.json["backup_server_version"] == "15.9"
