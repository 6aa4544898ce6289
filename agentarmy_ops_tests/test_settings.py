"""Settings come from the environment, are checked as a whole, and never show a secret."""

from pathlib import Path

import pytest

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import Environment, Settings, load_settings

PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://owner:hunter2@db/live",
    "BACKUP_DATABASE_URL": "postgresql://backup:hunter2@db/live",
    "DAGSTER_DATABASE_URL": "postgresql://dagster:hunter2@db/dagster",
    "SCRATCH_DATABASE_URL": "postgresql://scratch:hunter2@scratch/postgres",
    "BACKUP_STORE_URL": "file:///srv/backups",
    "SECRETS_STORE_URL": "file:///srv/secrets",
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_with_nothing_set_everything_is_below_one_folder(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.environment is Environment.DEVELOPMENT
    assert settings.agentarmy_home == tmp_path / ".agentarmy"
    assert (settings.database_url, settings.redis_url, settings.bin_dirs) == (None, None, [])


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, DATABASE_URL="", LOCK_TIMEOUT_SECONDS="")
    settings = load_settings()
    assert (settings.database_url, settings.lock_timeout_seconds) == (None, 60)


def test_a_file_of_settings_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LOCK_TIMEOUT_SECONDS=7\nBACKUP_COMPRESSION_LEVEL=9\nOTHER=1\n")
    _set(monkeypatch, LOCK_TIMEOUT_SECONDS="8")
    settings = load_settings()
    assert (settings.lock_timeout_seconds, settings.backup_compression_level) == (8, 9)


def test_production_refuses_embedded_defaults_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set(monkeypatch, ENVIRONMENT="production")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    message = str(caught.value)
    assert "\n" not in message
    for name in PRODUCTION.keys() - {"ENVIRONMENT"}:
        assert name in message


@pytest.mark.parametrize("missing", sorted(PRODUCTION.keys() - {"ENVIRONMENT"}))
def test_production_needs_each_of_them(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    _set(monkeypatch, **{name: v for name, v in PRODUCTION.items() if name != missing})
    with pytest.raises(ConfigurationError, match=f"needs {missing} to be set") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_production_with_everything_set_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **PRODUCTION)
    settings = load_settings()
    assert settings.environment is Environment.PRODUCTION
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "hunter2"),
        ("LOCK_TIMEOUT_SECONDS", "hunter2"),
        ("LOCK_TIMEOUT_SECONDS", "0"),
        ("BACKUP_COMPRESSION_LEVEL", "20"),
        ("MAX_PARTITIONS_PER_RUN", "0"),
        ("EMBEDDED_POSTGRES_VERSION", "17"),
        ("SCRATCH_DATABASE_MAX_AGE_HOURS", "0"),
    ],
)
def test_bad_values_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    _set(monkeypatch, **{name: value, "DATABASE_URL": "postgresql://x:hunter2@h/d"})
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"bad configuration: {name}: ")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, LOCK_TIMEOUT_SECONDS="x", BACKUP_COMPRESSION_LEVEL="y")
    with pytest.raises(ConfigurationError, match=r"(?s)BACKUP_COMPRESSION.*LOCK_TIMEOUT"):
        load_settings()


def test_folders_of_client_tools_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, POSTGRES_BIN_DIRS="/opt/pg16/bin::/opt/pg18/bin")
    assert load_settings().bin_dirs == [Path("/opt/pg16/bin"), Path("/opt/pg18/bin")]


def test_a_relative_or_home_folder_becomes_an_absolute_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _set(monkeypatch, AGENTARMY_HOME="~/ops", TENANT_SQL_DIR="sql", HOME=str(tmp_path / "me"))
    settings = load_settings()
    assert settings.agentarmy_home == tmp_path / "me" / "ops"
    assert settings.tenant_sql_dir == tmp_path / "sql"


def test_each_setting_is_explained() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_file_lists_every_variable_and_no_other(repository_root: Path) -> None:
    lines = (repository_root / ".env.example").read_text().splitlines()
    # Assignments are commented out without a space, explanations with one.
    names = {line.lstrip("#").split("=")[0] for line in lines if line and line[:2] != "# "}
    assert names - {"#", ""} == {name.upper() for name in Settings.model_fields}
