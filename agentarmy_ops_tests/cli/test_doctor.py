"""Every check that can fail, on a setup that is really broken."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakeredis import TcpFakeServer
from psycopg import sql

from agentarmy_ops.backups.restore.aside import put_aside
from agentarmy_ops.doctor.client_tools import check_client_tools
from agentarmy_ops.doctor.dagster_storage import check_sqlalchemy
from agentarmy_ops.doctor.disk import check_disk
from agentarmy_ops.doctor.finding import Level
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import LIVE_CONFIGURATION, start_embedded, stop_embedded
from agentarmy_ops.postgres.scratch import PREFIX
from agentarmy_ops_tests.cli.conftest import Cli, Outcome
from agentarmy_ops_tests.databases import let_in
from agentarmy_ops_tests.fix_sentry import SentryServer
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

Environment = Callable[..., None]


@pytest.fixture
def doctor(cli: Cli) -> Callable[..., "Examined"]:
    """Run doctor and look at its findings."""
    return lambda *flags: Examined(cli("doctor", "--json", *flags))


class Examined:
    """Findings of one run."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.findings: list[dict[str, str]] = outcome.json["findings"]

    def of(self, check: str, level: str | None = None) -> list[str]:
        """Messages of one check."""
        return [
            f["message"]
            for f in self.findings
            if f["check"] == check and level in (None, f["level"])
        ]

    @property
    def failing(self) -> set[str]:
        return {f["check"] for f in self.findings if f["level"] == "fail"}

    @property
    def warning(self) -> set[str]:
        return {f["check"] for f in self.findings if f["level"] == "warn"}


Doctor = Callable[..., Examined]


def test_a_sound_setup(cli: Cli, doctor: Doctor, provision: Provision) -> None:
    provision("acme")
    examined = doctor()
    assert examined.outcome.code == 0
    assert examined.outcome.json.keys() == {"level", "findings"}
    assert examined.outcome.json["level"] == "ok"
    assert all(f.keys() == {"check", "level", "message", "advice"} for f in examined.findings)
    assert {f["check"] for f in examined.findings} == {
        "environment",
        "live-database",
        "client-tools",
        "backup-role",
        "registry",
        "lock-budget",
        "scratch-server",
        "extensions",
        "scratch-databases",
        "backup-store",
        "disk",
        "partial-files",
        "secrets-store",
        "tenant-template",
        "redis",
        "dagster-storage",
        "sentry",
        "notifications",
    }
    table = cli("doctor")
    assert table.code == 0
    assert "1 tenants, each with its schema" in table.stdout


def test_every_finding_that_is_not_ok_says_what_to_do(
    doctor: Doctor, environment: Environment
) -> None:
    environment(
        BACKUP_DATABASE_URL="postgresql://127.0.0.1:1/x",
        DAGSTER_DATABASE_URL="postgresql://127.0.0.1:1/x",
        REDIS_URL="redis://127.0.0.1:1",
        TENANT_SQL_DIR="/nowhere",
        POSTGRES_BIN_DIRS="/nowhere",
    )
    examined = doctor()
    assert examined.outcome.code == 1
    assert all(bool(f["advice"]) == (f["level"] != "ok") for f in examined.findings)
    assert all("\n" not in f["message"] + f["advice"] for f in examined.findings)
    assert examined.failing == {
        "client-tools",
        "live-database",
        "tenant-template",
        "redis",
        "dagster-storage",
    }


def test_backup_role_without_bypassrls(
    doctor: Doctor, app_database: AppDatabase, environment: Environment
) -> None:
    with _role(app_database, "LOGIN IN ROLE pg_read_all_data") as backup:
        environment(BACKUP_DATABASE_URL=backup.url)
        examined = doctor()
    assert examined.failing == {"backup-role"}
    assert "does not see all rows" in examined.of("backup-role")[0]


def test_backup_role_that_may_not_read(
    doctor: Doctor, app_database: AppDatabase, environment: Environment
) -> None:
    with _role(app_database, "LOGIN BYPASSRLS") as backup:
        environment(BACKUP_DATABASE_URL=backup.url)
        examined = doctor()
    assert "may not read every table" in examined.of("backup-role", "fail")[0]
    assert "may not read shared.tenants" in examined.of("registry", "fail")[0]


def test_backup_role_that_can_write(
    doctor: Doctor, app_database: AppDatabase, environment: Environment, provision: Provision
) -> None:
    provision("acme")
    with _role(app_database, "LOGIN BYPASSRLS IN ROLE pg_read_all_data") as backup:
        environment(BACKUP_DATABASE_URL=backup.url)
        examined = doctor()
    assert examined.outcome.code == 0
    assert examined.outcome.json["level"] == "warn"
    assert "not read-only" in examined.of("backup-role", "warn")[0]


def test_staging_hears_what_production_would_refuse(
    doctor: Doctor, environment: Environment
) -> None:
    assert doctor().of("environment", "ok") == ["ENVIRONMENT=testing"]
    nowhere = "postgresql://backup@nowhere.example/db"
    environment(ENVIRONMENT="staging", BACKUP_ENCRYPTION="false", BACKUP_DATABASE_URL=nowhere)
    examined = doctor()
    warnings = {f["advice"]: f["message"] for f in examined.findings if f["check"] == "environment"}
    assert {advice.split()[1] for advice in warnings if advice.startswith("set ")} >= {
        "BACKUP_STORE_URL,",
        "BACKUP_ENCRYPTION",
        "GATEWAY_AUTH",
    }
    assert warnings.pop("add sslmode=verify-full, or require, to it").startswith(
        "BACKUP_DATABASE_URL leads over a network"
    )
    assert all(m.startswith("ENVIRONMENT=production ") for m in warnings.values())
    assert "environment" in examined.warning


def test_production_does_not_begin_with_what_is_unsafe(cli: Cli, environment: Environment) -> None:
    environment(ENVIRONMENT="production")
    for command in (("doctor",), ("serve",), ("backup", "--all"), ("tenant", "list")):
        outcome = cli(*command)
        assert (outcome.code, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith("Error: bad configuration: ENVIRONMENT=production ")
        assert outcome.stderr.count("\n") == 1
        assert "set GATEWAY_AUTH to iap or token" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "level"), [("development", "warn"), ("testing", "warn"), ("staging", "fail")]
)
def test_backups_made_as_the_owner(
    doctor: Doctor, app_database: AppDatabase, environment: Environment, name: str, level: str
) -> None:
    url = app_database.superuser.url
    environment(ENVIRONMENT=name, DATABASE_URL=url, BACKUP_DATABASE_URL=url)
    assert "the role that owns tenants" in doctor().of("backup-role", level)[0]


def test_backups_of_another_database(
    doctor: Doctor, app_database: AppDatabase, environment: Environment
) -> None:
    other = app_database.backup.with_params(dbname="postgres")
    environment(BACKUP_DATABASE_URL=other.url)
    examined = doctor()
    assert {"live-database", "registry"} <= examined.failing
    assert "another database (postgres)" in examined.of("live-database", "fail")[0]


def test_a_folder_without_client_tools(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    environment(POSTGRES_BIN_DIRS=tmp_path)
    examined = doctor()
    assert examined.failing == {"client-tools"}
    assert str(tmp_path) in examined.of("client-tools", "fail")[0]


def test_a_server_of_a_major_without_client_tools() -> None:
    finding = check_client_tools("live", "9.6", [])
    assert finding.level is Level.FAIL
    assert "no pg_dump and pg_restore of PostgreSQL 9" in finding.message
    assert "POSTGRES_BIN_DIRS" in finding.advice


def test_registry_problems(doctor: Doctor, app_database: AppDatabase, provision: Provision) -> None:
    assert "no tenant is registered" in doctor().of("registry", "warn")
    provision("acme")
    provision("globex")
    with app_database.superuser.connect() as connection:
        put_aside(connection, "globex", why="before", replaced_by="x")  # which is known
        connection.execute("CREATE SCHEMA tenant_stranger")
        connection.execute(
            "INSERT INTO shared.tenants (id, slug, name, schema_name)"
            " VALUES (gen_random_uuid(), 'initech', 'x', 'tenant_elsewhere')"
        )
    examined = doctor()
    assert examined.failing == {"registry"}
    failing = examined.of("registry", "fail")
    assert "initech" in failing[0]
    assert "tenant globex has no schema tenant_globex" in failing[1]
    (stranger,) = examined.of("registry", "warn")
    assert "schema tenant_stranger belongs to no tenant" in stranger
    assert not examined.of("registry", "ok")


def test_no_registry(doctor: Doctor, app_database: AppDatabase) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("DROP TABLE shared.tenants")
    examined = doctor()
    assert examined.failing == {"registry"}
    assert examined.of("lock-budget", "ok")


def test_lock_budget(doctor: Doctor, environment: Environment, tmp_path: Path) -> None:
    data_dir = tmp_path / "small" / "postgres-16"
    configuration = {
        **LIVE_CONFIGURATION,
        "max_connections": "20",
        "max_locks_per_transaction": "25",  # 500 slots: half are 250, 200 go to catalogues
    }
    server = start_embedded(data_dir, configuration=configuration)
    try:
        environment(DATABASE_URL=server.url, BACKUP_DATABASE_URL=server.url, CONCURRENT_DUMPS=1)
        _make_tables(server, "tenant_a", 20)
        assert "1 tenants go into 1 dumps" in doctor().of("lock-budget", "ok")[0]
        for number in range(5):
            _make_tables(server, f"tenant_b{number}", 45)
        fleet = doctor()
        assert "6 tenants need 5 dumps" in fleet.of("lock-budget", "warn")[0]
        advice = next(f["advice"] for f in fleet.findings if f["check"] == "lock-budget")
        assert "max_locks_per_transaction 1.8-fold" in advice
        _make_tables(server, "tenant_d", 60)
        assert "tenant_d takes about 260" in doctor().of("lock-budget", "warn")[0]
        for part in range(5):
            _make_tables(server, "tenant_e", 61, start=part * 61)
        assert "tenant_e takes about 505" in doctor().of("lock-budget", "fail")[0]
    finally:
        stop_embedded(data_dir)


def test_an_extension_that_the_scratch_server_lacks(
    doctor: Doctor, app_database: AppDatabase
) -> None:
    assert "plpgsql" in doctor().of("extensions", "ok")[0]
    with app_database.superuser.connect() as connection:
        # What the catalogue of a server with PostGIS says; no extension can be had everywhere.
        connection.execute(
            "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable,"
            " extversion) SELECT 999999, 'postgis', extowner, extnamespace, false, '3.5'"
            " FROM pg_extension WHERE extname = 'plpgsql'"
        )
    examined = doctor()
    assert examined.failing == {"extensions"}
    assert "extension postgis" in examined.of("extensions", "fail")[0]


def test_the_scratch_server_is_the_live_server(
    doctor: Doctor, app_database: AppDatabase, environment: Environment
) -> None:
    scratch = app_database.superuser.with_params(dbname="postgres")
    environment(SCRATCH_DATABASE_URL=scratch.url)
    examined = doctor()
    assert examined.failing == {"scratch-server"}
    assert "is the live server" in examined.of("scratch-server")[0]


def test_the_scratch_server_is_of_another_major(
    doctor: Doctor, other_scratch_server: ConnInfo, environment: Environment, postgres_major: int
) -> None:
    environment(SCRATCH_DATABASE_URL=other_scratch_server.url)
    examined = doctor()
    assert examined.failing == {"scratch-server"}
    assert f"the live one {postgres_major}" in examined.of("scratch-server")[0]


def test_the_scratch_server_is_not_there(doctor: Doctor, environment: Environment) -> None:
    environment(SCRATCH_DATABASE_URL="postgresql://u:s3cret@127.0.0.1:1/x")
    examined = doctor()
    assert examined.failing == {"scratch-server"}
    assert "s3cret" not in examined.outcome.written


def test_scratch_databases_left_behind_are_dropped_with_fix_only(
    doctor: Doctor, scratch_server: ConnInfo, environment: Environment
) -> None:
    # Younger than those that verifications drop, which other tests make meanwhile.
    environment(SCRATCH_DATABASE_MAX_AGE_HOURS=6)
    now = datetime.now(UTC)
    names = {
        age: f"{PREFIX}{now - timedelta(hours=age):%Y%m%dt%H%M%Sz}_{os.urandom(4).hex()}"
        for age in (1, 12)
    }
    with scratch_server.connect(autocommit=True) as connection:
        for name in names.values():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            assert "1 scratch databases" in doctor().of("scratch-databases", "warn")[0]
            assert "1 left behind, dropped" in doctor("--fix").of("scratch-databases", "ok")
            assert "none left over" in doctor().of("scratch-databases", "ok")
            query = "SELECT datname FROM pg_database WHERE datname = ANY (%s)"
            left = connection.execute(query, [list(names.values())]).fetchall()
            assert left == [(names[1],)]
        finally:
            for name in names.values():
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
                )


def test_half_written_files_are_removed_with_fix_only(doctor: Doctor, home: Path) -> None:
    partial = home / "backups" / ".partial"
    partial.mkdir(parents=True)
    old, young = partial / "old", partial / "young"
    for file in (old, young):
        file.write_bytes(b"x" * 100)
    before = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    os.utime(old, (before, before))
    assert "1 half-written files" in doctor().of("partial-files", "warn")[0]
    assert old.exists()
    assert doctor("--fix").of("partial-files", "ok") == ["1 left behind, removed"]
    assert (old.exists(), young.exists()) == (False, True)


def test_a_file_where_a_store_should_be(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    environment(BACKUP_STORE_URL=file / "backups", SECRETS_STORE_URL=file)
    examined = doctor()
    assert {"backup-store", "secrets-store"} <= examined.failing


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_we_may_not_write_to(doctor: Doctor, home: Path) -> None:
    (home / "backups").mkdir(parents=True, mode=0o500)
    assert "backup-store" in doctor().failing


def test_secrets_that_others_may_look_at(doctor: Doctor, home: Path) -> None:
    folder = home / "secrets"
    folder.mkdir(parents=True)
    folder.chmod(0o750)
    examined = doctor()
    assert examined.failing == {"secrets-store"}
    assert "mode 0750" in examined.of("secrets-store")[0]
    folder.chmod(0o700)
    assert not doctor().failing


def test_a_disk_without_room(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    available = free.f_bavail * free.f_frsize
    levels = [
        check_disk("backups", tmp_path / "not" / "made", needed).level
        for needed in (1, available * 2, available * 10)
    ]
    assert levels == [Level.OK, Level.WARN, Level.FAIL]


@pytest.mark.parametrize(
    ("packages", "url", "level"),
    [
        ({"SQLAlchemy": "2.0.58", "psycopg": "3.3.9"}, "postgresql://x/y", Level.OK),
        ({"SQLAlchemy": "2.1.0", "psycopg": "3.3.9"}, "postgresql://x/y", Level.FAIL),
        ({"SQLAlchemy": "2.1.0b3", "psycopg": "3.3.9"}, "postgresql://x/y", Level.FAIL),
        ({"SQLAlchemy": "3.0", "psycopg": "3.3.9"}, "postgresql://x/y", Level.FAIL),
        ({"SQLAlchemy": "2.1.0", "psycopg": "3.3.9"}, "postgresql+psycopg2://x/y", Level.OK),
        ({"SQLAlchemy": "2.1.0"}, "postgresql://x/y", Level.OK),
        ({}, "postgresql://x/y", Level.OK),
    ],
    ids=str,
)
def test_sqlalchemy_that_dagster_postgres_cannot_work_with(
    tmp_path: Path, packages: dict[str, str], url: str, level: Level
) -> None:
    for name, version in packages.items():
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    assert check_sqlalchemy(url, [str(tmp_path)]).level is level


def test_redis(doctor: Doctor, environment: Environment) -> None:
    with _redis() as port:
        environment(REDIS_URL=f"redis://127.0.0.1:{port}/0")
        assert doctor().of("redis", "ok") == ["answers"]
    environment(REDIS_URL="redis://:s3cret@127.0.0.1:1/0")
    unreachable = doctor()
    assert unreachable.failing == {"redis"}
    environment(REDIS_URL="s3cret://:s3cret@127.0.0.1/0")
    nonsense = doctor()
    assert nonsense.failing == {"redis"}
    assert "s3cret" not in unreachable.outcome.written + nonsense.outcome.written


@pytest.mark.usefixtures("webhook")
def test_where_failures_are_reported_to(
    doctor: Doctor, environment: Environment, sentry_server: SentryServer
) -> None:
    environment(SENTRY_DSN=sentry_server.dsn, NOTIFY_URLS="json://localhost slack://a/b")
    wrong = doctor()
    assert wrong.failing == {"notifications"}
    assert wrong.of("notifications")[0] == "NOTIFY_URLS: address 2 of 2 is not an Apprise URL"
    assert wrong.of("sentry", "ok") == ["SENTRY_DSN is a DSN; nothing was sent"]
    environment(SENTRY_DSN="https://s3cret@host/x", NOTIFY_URLS="json://localhost")
    wrong = doctor()
    assert wrong.failing == {"sentry"}
    assert wrong.of("notifications", "ok") == ["1 addresses; nothing was sent"]
    assert "s3cret" not in wrong.outcome.written
    assert sentry_server.bodies == []


def test_a_template_that_cannot_be_read(
    doctor: Doctor, environment: Environment, tmp_path: Path
) -> None:
    environment(TENANT_SQL_DIR=tmp_path / "missing")
    examined = doctor()
    assert examined.failing == {"tenant-template"}


def test_dagster_s_storage_is_not_there(doctor: Doctor, environment: Environment) -> None:
    environment(DAGSTER_DATABASE_URL="postgresql://u:s3cret@127.0.0.1:1/x")
    examined = doctor()
    assert examined.failing == {"dagster-storage"}
    assert "s3cret" not in examined.outcome.written


@contextmanager
def _role(app_database: AppDatabase, attributes: str) -> Iterator[ConnInfo]:
    """A role of our own on the live server."""
    with app_database.superuser.connect(autocommit=True) as connection:
        name = f"role_of_{connection.info.dbname}"
        connection.execute(f'CREATE ROLE "{name}" {attributes}'.encode())
        let_in(app_database.superuser, name)
        try:
            yield app_database.superuser.with_params(user=name)
        finally:
            connection.execute(f'DROP ROLE "{name}"'.encode())


def _make_tables(server: ConnInfo, schema: str, count: int, start: int = 0) -> None:
    with server.connect(autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'.encode())
        for number in range(start, start + count):
            connection.execute(f'CREATE TABLE "{schema}".t{number} ()'.encode())


@contextmanager
def _redis() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server: Any = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    from threading import Thread  # noqa: PLC0415

    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
