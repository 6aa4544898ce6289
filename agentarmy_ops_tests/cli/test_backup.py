import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from agentarmy_ops.postgres.tools import ClientTools
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

BACKUP_KEYS = {
    "backup_id",
    "started_at",
    "finished_at",
    "backup_seconds",
    "rows",
    "plain_bytes",
    "stored_bytes",
    "ratio",
    "object_name",
    "sha256",
}


def test_all_tenants_and_then_the_platform(cli: Cli, provision: Provision, home: Path) -> None:
    provision("globex")
    provision("acme")
    outcome = cli("backup", "--all", "--json")
    assert outcome.code == 0
    results = outcome.json["results"]
    assert outcome.json.keys() == {"results", "problems"}
    assert [r["slug"] for r in results] == ["acme", "globex", None]
    assert all(r.keys() == {"slug", "status", "backup", "error"} for r in results)
    assert all(r["backup"].keys() == BACKUP_KEYS for r in results)
    assert all((home / "backups" / r["backup"]["object_name"]).is_file() for r in results)
    said = [line.split(":")[0] for line in outcome.stderr.splitlines()]
    assert sorted(said[:2]) == ["acme", "globex"]  # as they are complete
    assert said[2:] == ["platform"]


def test_a_tenant_named_twice_is_backed_up_once(cli: Cli, provision: Provision) -> None:
    provision("acme")
    outcome = cli("backup", "--tenant", "acme", "--tenant", "acme", "--no-platform")
    assert outcome.code == 0
    assert outcome.stdout.count("complete") == 1
    assert len(cli("backups", "list", "--json").json["backups"]) == 1


def test_the_platform_alone(cli: Cli) -> None:
    outcome = cli("backup", "--platform", "--json")
    assert [r["slug"] for r in outcome.json["results"]] == [None]


@pytest.mark.parametrize(
    "flags", [(), ("--no-platform",), ("--all", "--tenant", "acme")], ids=" ".join
)
def test_what_to_back_up_must_be_said_once(cli: Cli, flags: tuple[str, ...]) -> None:
    assert cli("backup", *flags).code == 2


def test_one_refused_tenant_does_not_stop_the_others(
    cli: Cli, provision: Provision, app_database: AppDatabase
) -> None:
    for slug in ("acme", "globex", "initech"):
        provision(slug)
    with app_database.owner.connect() as connection:
        connection.execute("DROP SCHEMA tenant_globex CASCADE")
    outcome = cli("backup", "--all", "--json")
    assert outcome.code == 1
    status = {r["slug"]: r["status"] for r in outcome.json["results"]}
    assert status == {
        "acme": "complete",
        "globex": "failed",
        "initech": "complete",
        None: "complete",
    }
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "globex" in errors[0]
    assert "no schema tenant_globex" in errors[0]
    assert "failed" in cli("backup", "--tenant", "globex").stdout


def test_a_row_that_cannot_be_used_does_not_stop_the_others(
    cli: Cli, provision: Provision, app_database: AppDatabase
) -> None:
    provision("acme")
    with app_database.superuser.connect() as connection:
        connection.execute(
            "INSERT INTO shared.tenants (id, slug, name, schema_name)"
            " VALUES (gen_random_uuid(), 'globex', 'x', 'tenant_acme2')"
        )
    outcome = cli("backup", "--all", "--no-platform", "--json")
    assert outcome.code == 1
    assert [r["status"] for r in outcome.json["results"]] == ["complete"]
    assert len(outcome.json["problems"]) == 1
    assert "tenant globex lives in schema" in outcome.stderr


def test_an_unknown_tenant_stops_the_batch_before_any_work(
    cli: Cli, provision: Provision, home: Path
) -> None:
    provision("acme")
    assert cli("backup", "--tenant", "acme", "--tenant", "nobody").code == 3
    assert not (home / "backups").exists()


def test_an_empty_registry_is_not_a_success(cli: Cli) -> None:
    outcome = cli("backup", "--all")
    assert outcome.code == 3
    assert "check DATABASE_URL" in outcome.stderr


def test_a_role_that_does_not_see_all_rows_is_refused(
    cli: Cli, provision: Provision, app_database: AppDatabase, environment: Callable[..., None]
) -> None:
    provision("acme")
    environment(BACKUP_DATABASE_URL=app_database.owner.url)
    outcome = cli("backup", "--all")
    assert outcome.code == 1
    assert "cannot see all rows" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == ""


def test_the_platform_failing_is_named_and_tenants_are_kept(
    cli: Cli, provision: Provision, home: Path
) -> None:
    provision("acme")
    (home / "backups").mkdir(parents=True)
    (home / "backups" / "platform").write_text("in the way")
    outcome = cli("backup", "--all", "--json")
    assert outcome.code == 1
    assert [r["status"] for r in outcome.json["results"]] == ["complete", "failed"]
    assert "platform" in outcome.stderr


def test_no_password_reaches_a_program_s_arguments(
    cli: Cli,
    provision: Provision,
    app_database: AppDatabase,
    environment: Callable[..., None],
    client_tools: ClientTools,
    tmp_path: Path,
) -> None:
    provision("acme")
    real = client_tools.bin_dir
    spy, seen = tmp_path / "bin", tmp_path / "arguments"
    spy.mkdir()
    shutil.copy(real / "pg_restore", spy)
    script = f'#!/bin/sh\necho "$@" >> {seen}\nenv >> {seen}.env\nexec {real}/pg_dump "$@"\n'
    (spy / "pg_dump").write_text(script)
    (spy / "pg_dump").chmod(0o755)
    secret = "s3cret-w0rd"
    with app_database.superuser.connect(autocommit=True) as connection:
        role = f"spied_{connection.info.dbname}"
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN BYPASSRLS IN ROLE pg_read_all_data PASSWORD {}").format(
                sql.Identifier(role), secret
            )
        )
    url = replace(app_database.backup.with_params(user=role), password=secret).url
    # The parent's environment holds the setting, so only arguments can be looked at.
    environment(BACKUP_DATABASE_URL=url, POSTGRES_BIN_DIRS=spy)
    try:
        outcome = cli("backup", "--all")
        assert outcome.code == 0, outcome.stderr
        assert secret not in outcome.written
        assert "--dbname=" in seen.read_text()
        assert secret not in seen.read_text()
    finally:
        with app_database.superuser.connect(autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_session_lost_in_the_middle_is_no_traceback(
    cli: Cli,
    provision: Provision,
    app_database: AppDatabase,
    environment: Callable[..., None],
    client_tools: ClientTools,
    tmp_path: Path,
) -> None:
    provision("acme")
    provision("globex")
    real = client_tools.bin_dir
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(real / "pg_restore", folder)
    terminate = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'agentarmy_ops'"
    )
    dsn = program_dsn(app_database.superuser)
    (folder / "pg_dump").write_text(
        f'#!/bin/sh\ncase "$*" in *tenant_globex*)'
        f' {real}/psql -qAtc "{terminate}" "{dsn}" >/dev/null;; esac\n'
        f'exec {real}/pg_dump "$@"\n'
    )
    (folder / "pg_dump").chmod(0o755)
    environment(POSTGRES_BIN_DIRS=folder, CONCURRENT_DUMPS=1)
    outcome = cli("backup", "--all", "--no-platform", "--json")
    assert outcome.code == 1
    assert [r["status"] for r in outcome.json["results"]] == ["complete", "failed"]
