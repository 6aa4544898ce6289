"""With no variable set, all the work is done with embedded servers below one folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentarmy_ops.backups.create import back_up_platform
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.backups.verify import verify_platform
from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.fix_tenants import AppDatabase


def _settings(home: Path, **values: object) -> Settings:
    return Settings(_env_file=None, agentarmy_home=home, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    runtime = Runtime(_settings(tmp_path_factory.mktemp("home")))
    yield runtime
    assert runtime.stop_embedded_servers() == ["postgres-16", "scratch-16"]
    assert runtime.stop_embedded_servers() == []


def _identifier(conninfo: ConnInfo) -> object:
    with conninfo.connect() as connection:
        return connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()


def test_roles_are_as_weak_as_their_work_allows(embedded: Runtime) -> None:
    for conninfo, expected in (
        (embedded.owner, ("agentarmy_owner", False, False, "off", "agentarmy")),
        (embedded.backup, ("agentarmy_backup", False, True, "on", "agentarmy")),
    ):
        with conninfo.connect() as connection:
            row = connection.execute(
                "SELECT current_user::text, rolsuper, rolbypassrls,"
                " current_setting('transaction_read_only'), current_database()::text"
                " FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
        assert row == expected


def test_dagster_gets_a_database_of_its_own(embedded: Runtime) -> None:
    with ConnInfo.parse(embedded.dagster_url).connect() as connection:
        assert connection.info.dbname == "dagster"


def test_the_registry_is_there_and_empty(embedded: Runtime) -> None:
    with embedded.registry() as connection:
        assert connection.execute("SELECT count(*) FROM shared.tenants").fetchone() == (0,)
        # Who reads it again and again must not wait for ever.
        assert connection.info.get_parameters()["connect_timeout"] == "10"


def test_the_scratch_server_is_not_the_live_one(embedded: Runtime) -> None:
    scratch = embedded.scratch(16).server
    assert _identifier(scratch) != _identifier(embedded.owner)
    assert scratch.params["user"] == "agentarmy_scratch"


def test_a_second_runtime_of_the_same_folder_finds_what_the_first_made(embedded: Runtime) -> None:
    again = Runtime(embedded.settings)
    assert again.owner == embedded.owner
    assert again.scratch(16) == embedded.scratch(16)


def test_stores_are_below_the_folder(embedded: Runtime) -> None:
    assert embedded.store.url == (embedded.home / "backups").as_uri()


def test_a_backup_is_made_and_verified_with_nothing_set(embedded: Runtime) -> None:
    manifest = back_up_platform(embedded.source(), embedded.store, run_id="here")
    verdict = verify_platform(embedded.verifier("there"), manifest.ref)
    assert (verdict.status, verdict.run_id) == (Status.VERIFIED, "there")
    assert manifest.run_id == "here"


def test_a_major_without_embedded_server_needs_a_scratch_url(embedded: Runtime) -> None:
    with pytest.raises(ConfigurationError, match="set SCRATCH_DATABASE_URL to a throw-away Post"):
        embedded.scratch(17)


def test_a_scratch_url_that_is_the_live_server_is_refused(
    app_database: AppDatabase, tmp_path: Path
) -> None:
    url = SecretStr(app_database.superuser.url)
    elsewhere = SecretStr(app_database.superuser.with_params(dbname="postgres").url)
    runtime = Runtime(_settings(tmp_path, database_url=url, scratch_database_url=elsewhere))
    with pytest.raises(ConfigurationError, match="SCRATCH_DATABASE_URL is the live server"):
        runtime.scratch(16)


def test_urls_that_are_set_are_used_and_nothing_is_started(
    app_database: AppDatabase, scratch_server: ConnInfo, tmp_path: Path
) -> None:
    runtime = Runtime(
        _settings(
            tmp_path / "home",
            database_url=SecretStr(app_database.owner.url),
            backup_database_url=SecretStr(app_database.backup.url),
            dagster_database_url=SecretStr("postgresql://dagster:x@elsewhere/dagster"),
            scratch_database_url=SecretStr(scratch_server.url),
            lock_timeout_seconds=7,
            backup_compression_level=9,
            concurrent_verifications=3,
        )
    )
    assert (runtime.owner, runtime.backup) == (app_database.owner, app_database.backup)
    assert runtime.scratch(16).server == scratch_server
    assert ConnInfo.parse(runtime.dagster_url).password == "x"
    source = runtime.source()
    assert (source.lock_timeout_seconds, source.compression_level) == (7, 9)
    assert runtime.verifier().jobs == 3
    assert not (tmp_path / "home").exists()


def test_without_a_role_for_backups_the_owner_is_asked(tmp_path: Path) -> None:
    url = SecretStr("postgresql://owner@db/live")
    runtime = Runtime(_settings(tmp_path, database_url=url))
    assert runtime.backup == runtime.owner


def test_a_bad_url_is_named_by_its_variable(tmp_path: Path) -> None:
    runtime = Runtime(_settings(tmp_path, database_url=SecretStr("mysql://x:hunter2@h/d")))
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL is not") as caught:
        _ = runtime.owner
    assert "hunter2" not in str(caught.value)


def test_a_verifier_drops_old_scratch_databases_when_it_first_uses_the_server(
    tmp_path: Path, scratch_server: ConnInfo, app_database: AppDatabase
) -> None:
    server = scratch_server
    old = "agentarmy_scratch_20260101t000000z_00000000"
    with server.connect(autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{old}"')
    runtime = Runtime(
        _settings(
            tmp_path,
            database_url=SecretStr(app_database.owner.url),
            scratch_database_url=SecretStr(server.url),
        )
    )
    runtime.verifier().scratch_for(16)
    with server.connect() as connection:
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database")]
    assert old not in names
