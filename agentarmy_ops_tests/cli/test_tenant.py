from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

PASSWORD = "correct horse battery"
NEW = ("--name", "Acme", "--admin-email", "admin@acme.example")
TENANT_KEYS = {"slug", "id", "name", "schema_name", "is_active", "created_at"}


def test_provision_generates_a_password_and_never_prints_it(cli: Cli, home: Path) -> None:
    outcome = cli("tenant", "provision", "acme", *NEW)
    assert outcome.code == 0
    assert "tenant acme created in schema tenant_acme" in outcome.stdout
    secret = (home / "secrets" / "acme-admin-password.1").read_text()
    assert "acme-admin-password" in outcome.stdout
    assert secret not in outcome.written


def test_provision_json_and_again(cli: Cli) -> None:
    first = cli("tenant", "provision", "acme", *NEW, "--json").json
    assert first.keys() == {"tenant", "created", "repaired", "admin_password_secret"}
    assert first["tenant"].keys() == TENANT_KEYS
    assert (first["created"], first["admin_password_secret"]) == (True, "acme-admin-password")
    again = cli("tenant", "provision", "acme", *NEW, "--json").json
    assert again == {**first, "created": False, "admin_password_secret": None}
    assert "nothing was changed" in cli("tenant", "provision", "acme", *NEW).stdout


def test_provision_names_what_it_repairs(cli: Cli, app_database: AppDatabase) -> None:
    cli("tenant", "provision", "acme", *NEW)
    with app_database.owner.connect() as connection:
        connection.execute("DROP TABLE tenant_acme.api_keys")
    outcome = cli("tenant", "provision", "acme", *NEW)
    assert outcome.code == 0
    assert "repaired: table api_keys" in outcome.stdout


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("source", ["stdin", "file"])
def test_provision_takes_a_password_that_is_not_in_argv(
    cli: Cli, app_database: AppDatabase, tmp_path: Path, source: str, ending: str
) -> None:
    text = PASSWORD + ending
    file = tmp_path / "password"
    file.write_bytes(text.encode())
    if source == "stdin":
        outcome = cli("tenant", "provision", "acme", *NEW, "--admin-password-stdin", stdin=text)
    else:
        outcome = cli("tenant", "provision", "acme", *NEW, "--admin-password-file", str(file))
    assert outcome.code == 0
    assert PASSWORD not in outcome.written
    assert "secrets store" not in outcome.stdout
    with app_database.superuser.connect() as connection:
        rows = connection.execute("SELECT password_hash FROM tenant_acme.users").fetchall()
    from argon2 import PasswordHasher  # noqa: PLC0415

    assert PasswordHasher().verify(rows[0][0], PASSWORD)


@pytest.mark.parametrize("bad", [b"short", b"two lines\nof password", b"\xff" * 20, b"x" * 5000])
def test_provision_refuses_a_bad_password(cli: Cli, bad: bytes) -> None:
    outcome = cli("tenant", "provision", "acme", *NEW, "--admin-password-stdin", stdin=bad)
    assert outcome.code == 2
    assert outcome.stderr.startswith("Error: the admin password is")
    assert bad.decode(errors="replace")[:8] not in outcome.stderr.replace("too short", "")
    assert cli("tenant", "list", "--json").json["tenants"] == []


def test_provision_takes_one_password_source_only(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "p").write_text(PASSWORD)
    flags = ("--admin-password-stdin", "--admin-password-file", str(tmp_path / "p"))
    assert cli("tenant", "provision", "acme", *NEW, *flags).code == 2


def test_provision_has_no_password_option(cli: Cli) -> None:
    assert cli("tenant", "provision", "acme", *NEW, "--admin-password", PASSWORD).code == 2


@pytest.mark.parametrize("slug", ["A", "Acme", "a_b", "-acme", "../etc", "x" * 51])
@pytest.mark.parametrize(
    "command",
    [("tenant", "show"), ("backup", "--tenant"), ("verify", "--tenant"), ("backups", "show")],
)
def test_a_bad_slug_is_refused_before_any_work(
    cli: Cli, environment: Callable[..., None], command: tuple[str, ...], slug: str
) -> None:
    environment(DATABASE_URL="postgresql://127.0.0.1:1/x", BACKUP_DATABASE_URL="nonsense")
    arguments = (
        (*command, "--", slug) if command[1] == "show" else (*command[:-1], f"--tenant={slug}")
    )
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert outcome.stderr.startswith(f"Error: {slug!r} is not a tenant slug")
    assert outcome.stderr.count("\n") == 1


def test_list(cli: Cli, provision: Provision) -> None:
    provision("globex")
    provision("acme", name="Acme [red]:smile:")
    listed = cli("tenant", "list", "--json").json
    assert listed.keys() == {"tenants", "problems"}
    assert [t["slug"] for t in listed["tenants"]] == ["acme", "globex"]
    assert all(t.keys() == TENANT_KEYS for t in listed["tenants"])
    assert "Acme [red]:smile:" in cli("tenant", "list").stdout


def test_list_names_rows_that_cannot_be_used(
    cli: Cli, provision: Provision, app_database: AppDatabase
) -> None:
    provision("acme")
    _insert(app_database, "globex", "tenant_other")
    outcome = cli("tenant", "list")
    assert outcome.code == 0
    assert "tenant_acme" in outcome.stdout
    assert "tenant_other" in outcome.stderr
    assert len(cli("tenant", "list", "--json").json["problems"]) == 1


def test_a_name_cannot_move_the_cursor(
    cli: Cli, provision: Provision, app_database: AppDatabase
) -> None:
    provision("acme")
    with app_database.superuser.connect() as connection:
        connection.execute("UPDATE shared.tenants SET name = E'x\\x1b[2Jy'")
    for command in (("tenant", "list"), ("tenant", "show", "acme")):
        outcome = cli(*command)
        assert "\x1b" not in outcome.stdout
        assert "x\\x1b[2Jy" in outcome.stdout


def test_show(cli: Cli, provision: Provision) -> None:
    provision("acme")
    shown = cli("tenant", "show", "acme", "--json").json
    assert shown.keys() == {
        "tenant",
        "schema_exists",
        "tables",
        "backups",
        "latest_backup",
        "newest_verdict",
    }
    assert (shown["schema_exists"], shown["backups"]) == (True, 0)
    assert shown["latest_backup"] is shown["newest_verdict"] is None
    users = next(t for t in shown["tables"] if t["table"] == "users")
    assert users.keys() == {"table", "estimated_rows", "total_bytes", "row_level_security"}
    assert users["row_level_security"] == "forced"
    assert "users" in cli("tenant", "show", "acme").stdout


def test_show_after_backups(cli: Cli, provision: Provision) -> None:
    provision("acme")
    cli("backup", "--tenant", "acme")
    cli("verify", "--tenant", "acme")
    first = cli("tenant", "show", "acme", "--json").json
    cli("backup", "--tenant", "acme")
    shown = cli("tenant", "show", "acme", "--json").json
    assert shown["backups"] == 2
    assert first["latest_backup"]["verdict"] == first["newest_verdict"]["status"] == "verified"
    assert shown["latest_backup"]["verdict"] is None
    assert shown["newest_verdict"] == first["newest_verdict"]
    assert first["latest_backup"]["backup_id"] < shown["latest_backup"]["backup_id"]


def test_show_says_that_the_schema_is_missing(
    cli: Cli, provision: Provision, app_database: AppDatabase
) -> None:
    provision("acme")
    with app_database.owner.connect() as connection:
        connection.execute("DROP SCHEMA tenant_acme CASCADE")
    assert cli("tenant", "show", "acme", "--json").json["schema_exists"] is False
    assert "tenant_acme (missing)" in cli("tenant", "show", "acme").stdout


@pytest.mark.parametrize(
    "command",
    [
        ("tenant", "show", "nobody"),
        ("tenant", "sample-data", "nobody", "--rows", "10"),
        ("backup", "--tenant", "nobody"),
        ("verify", "--tenant", "nobody"),
        ("backups", "list", "nobody"),
        ("backups", "show", "nobody"),
    ],
    ids=" ".join,
)
def test_an_unknown_tenant_is_one_line(
    cli: Cli, provision: Provision, command: tuple[str, ...]
) -> None:
    provision("acme")
    outcome = cli(*command)
    assert outcome.code == 3
    assert outcome.stdout == ""
    assert "nobody" in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_sample_data(cli: Cli, provision: Provision, environment: Callable[..., None]) -> None:
    provision("acme")
    environment(BACKUP_STORE_URL="gs://bucket", SECRETS_STORE_URL="sm://project")
    environment(DAGSTER_DATABASE_URL="postgresql://elsewhere/dagster", GATEWAY_AUTH="iap")
    for refused in ("staging", "production"):
        environment(ENVIRONMENT=refused)
        outcome = cli("tenant", "sample-data", "acme", "--rows", "400")
        assert outcome.code == 2
        assert "bad configuration" not in outcome.stderr
        assert refused in outcome.stderr
    environment(ENVIRONMENT="development")
    outcome = cli("tenant", "sample-data", "acme", "--rows", "400")
    assert (outcome.code, outcome.stdout) == (0, "400 rows inserted into tenant acme\n")
    assert "nothing was inserted" in cli("tenant", "sample-data", "acme", "--rows", "400").stdout


def test_a_busy_tenant_exits_with_4(
    cli: Cli, provision: Provision, app_database: AppDatabase, environment: Callable[..., None]
) -> None:
    provision("acme")
    environment(LOCK_TIMEOUT_SECONDS=1)
    with (
        app_database.owner.connect(autocommit=True) as connection,
        tenant_lock(connection, "acme", timeout_seconds=5),
    ):
        assert cli("tenant", "provision", "acme", *NEW).code == 4
        outcome = cli("backup", "--tenant", "acme", "--json")
        assert outcome.code == 4
        assert "tenant acme is busy" in outcome.stderr
        assert [r["status"] for r in outcome.json["results"]] == ["failed", "complete"]
        provision("globex")
        assert cli("backup", "--all", "--no-platform").code == 1


def _insert(app_database: AppDatabase, slug: str, schema: str) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute(
            "INSERT INTO shared.tenants (id, slug, name, schema_name)"
            " VALUES (gen_random_uuid(), %s, 'x', %s)",
            [slug, schema],
        )
