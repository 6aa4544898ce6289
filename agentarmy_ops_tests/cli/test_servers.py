"""Commands about servers: init, down; and everything with no setting at all."""

from collections.abc import Callable

import pytest
from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.settings import Settings
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.databases import let_in
from agentarmy_ops_tests.fix_tenants import AppDatabase

NEW = ("--name", "Acme", "--admin-email", "admin@acme.example")


def test_init_makes_a_database_ready_and_again_changes_nothing(
    cli: Cli,
    environment: Callable[..., None],
    live_server: ConnInfo,
    new_database: Callable[[ConnInfo], ConnInfo],
) -> None:
    empty = new_database(live_server)
    environment(DATABASE_URL=empty.url, BACKUP_DATABASE_URL="")
    assert cli("tenant", "list").code == 1
    for _ in range(2):
        outcome = cli("init")
        assert outcome.code == 0, outcome.stderr
    environment(DATABASE_URL=empty.with_params(user=OWNER_ROLE).url)
    assert cli("tenant", "provision", "acme", *NEW).code == 0
    assert cli("tenant", "list", "--json").json["tenants"][0]["slug"] == "acme"


def test_init_as_the_owner_role_says_what_to_do(cli: Cli) -> None:
    outcome = cli("init")
    assert outcome.code == 2
    assert OWNER_ROLE in outcome.stderr


def test_init_without_the_right_to(
    cli: Cli, environment: Callable[..., None], app_database: AppDatabase
) -> None:
    with app_database.superuser.connect(autocommit=True) as connection:
        name = f"nobody_of_{connection.info.dbname}"
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        try:
            let_in(app_database.superuser, name)
            environment(DATABASE_URL=app_database.superuser.with_params(user=name).url)
            outcome = cli("init")
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1


def test_with_no_setting_at_all(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    environment: Callable[..., None],
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert cli("down").stdout == "no embedded server is running\n"
    try:
        assert cli("init").code == 0
        assert cli("tenant", "provision", "acme", *NEW).code == 0
        assert cli("tenant", "sample-data", "acme", "--rows", "100").code == 0
        assert cli("backup", "--all").code == 0
        verified = cli("verify", "--all", "--json")
        assert [v["status"] for v in verified.json["verdicts"]] == ["verified"]
        assert cli("doctor", "--json").json["level"] == "ok"
    finally:
        outcome = cli("down")
    assert outcome.stdout == "stopped postgres-16, scratch-16\n"
    assert cli("down").stdout == "no embedded server is running\n"
