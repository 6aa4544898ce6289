"""Settings come from the environment, are checked as a whole, and never show a secret."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import Environment, Settings, load_settings
from agentarmy_ops.settings.production import unencrypted

PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://owner:hunter2@db/live",
    "BACKUP_DATABASE_URL": "postgresql://backup:hunter2@db/live",
    "DAGSTER_DATABASE_URL": "postgresql://dagster:hunter2@db/dagster",
    "SCRATCH_DATABASE_URL": "postgresql://scratch:hunter2@scratch/postgres",
    "BACKUP_STORE_URL": "gs://bucket/backups",
    "SECRETS_STORE_URL": "sm://project",
    "GATEWAY_AUTH": "iap",
}
_EMBEDDED = sorted(PRODUCTION.keys() - {"ENVIRONMENT", "GATEWAY_AUTH"})
# What is set instead, and which variable the refusal says to set. No value may be shown.
UNSAFE = [
    ("BACKUP_STORE_URL", "file:///srv/hunter2", "BACKUP_STORE_URL to gs://"),
    ("BACKUP_STORE_URL", "/srv/hunter2", "BACKUP_STORE_URL to gs://"),
    ("SECRETS_STORE_URL", "file:///srv/hunter2", "SECRETS_STORE_URL to sm://"),
    ("SECRETS_STORE_URL", "/srv/hunter2", "SECRETS_STORE_URL to sm://"),
    ("BACKUP_ENCRYPTION", "false", "BACKUP_ENCRYPTION to true"),
    ("GATEWAY_AUTH", "none", "GATEWAY_AUTH to iap or token"),
    ("GATEWAY_AUTH", "", "GATEWAY_AUTH to iap or token"),
    ("GATEWAY_URL", "http://hunter2.example.com", "GATEWAY_URL to https://"),
    ("GATEWAY_URL", "HTTP://10.0.0.7:3000", "GATEWAY_URL to https://"),
    ("BACKUP_DATABASE_URL", "postgresql://owner:other@replica/live", "BACKUP_DATABASE_URL to"),
    ("DAGSTER_DATABASE_URL", "postgresql://x:hunter2@db:5432/live", "DAGSTER_DATABASE_URL to"),
    ("SCRATCH_DATABASE_URL", "host=db user=x dbname=postgres", "SCRATCH_DATABASE_URL to"),
]
SAFE = [
    ("GATEWAY_URL", "https://ops.example.com"),
    ("GATEWAY_URL", "http://localhost:3000"),
    ("GATEWAY_URL", "http://127.0.0.1:3000"),
    ("GATEWAY_AUTH", "token"),
    ("BACKUP_ENCRYPTION", "true"),
    ("SCRATCH_DATABASE_URL", "postgresql://scratch@db:5433/postgres"),
    ("DAGSTER_DATABASE_URL", "postgresql://owner@db/dagster"),
    ("BACKUP_DATABASE_URL", "not a connection string, which is named where it is used"),
]


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


def _refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith("bad configuration: ENVIRONMENT=production ")
    assert "\n" not in message
    assert "hunter2" not in message
    assert "s3cret" not in message
    return message.removeprefix("bad configuration: ENVIRONMENT=production ")


def test_production_refuses_every_unsafe_default_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set(monkeypatch, ENVIRONMENT="production")
    needed = [name.upper() for name in Settings.model_fields if name.upper() in _EMBEDDED]
    assert _refusal() == (
        f"runs on nothing embedded: set {', '.join(needed)}; "
        "opens its gateway to nobody unknown: set GATEWAY_AUTH to iap or token"
    )


@pytest.mark.parametrize("missing", _EMBEDDED)
def test_production_needs_each_of_them(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    _set(monkeypatch, **{name: v for name, v in PRODUCTION.items() if name != missing})
    assert _refusal() == f"runs on nothing embedded: set {missing}"


@pytest.mark.parametrize(("name", "value", "advice"), UNSAFE)
def test_production_refuses_what_is_unsafe(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str
) -> None:
    _set(monkeypatch, **{**PRODUCTION, name: value})
    refusal = _refusal()
    assert refusal.count(": set ") == 1
    assert f": set {advice}" in refusal
    _set(monkeypatch, ENVIRONMENT="staging")
    load_settings()


@pytest.mark.parametrize(("name", "value"), SAFE)
def test_production_takes_what_is_safe(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    _set(monkeypatch, **{**PRODUCTION, name: value})
    load_settings()


def test_production_names_all_that_is_unsafe_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    url = PRODUCTION["DATABASE_URL"]
    databases = {name: url for name in PRODUCTION if name.endswith("DATABASE_URL")}
    stores = {"BACKUP_STORE_URL": "/srv/s3cret", "SECRETS_STORE_URL": "/srv/s3cret"}
    others = {"BACKUP_ENCRYPTION": "no", "GATEWAY_AUTH": "none", "GATEWAY_URL": "http://s3cret.de"}
    _set(monkeypatch, ENVIRONMENT="production", **databases, **stores, **others)
    refused = re.findall(r": set (\w+)", _refusal())
    assert sorted(refused) == sorted({*databases, *stores, *others} - {"DATABASE_URL"})


def test_a_process_need_not_know_databases_that_are_none_of_its_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = "postgresql://none@none.invalid/none"
    databases = {name: nowhere for name in PRODUCTION if name.endswith("DATABASE_URL")}
    _set(monkeypatch, **{**PRODUCTION, **databases})
    load_settings()


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("postgresql://u@db.example.com/live", True),
        ("postgresql://u@10.0.0.7/live?sslmode=prefer", True),
        ("postgresql://u@10.0.0.7/live?sslmode=disable", True),
        ("postgresql://u@10.0.0.7/live?sslmode=allow", True),
        ("postgresql://u@10.0.0.7/live?sslmode=require", False),
        ("postgresql://u@10.0.0.7/live?sslmode=verify-full", False),
        ("host=/cloudsql/project:region:instance dbname=live", False),
        ("postgresql://u@127.0.0.1/live", False),
        ("postgresql://u@localhost/live", False),
        ("postgresql://u@none.invalid/live", False),
        ("dbname=live", False),
        ("nonsense", False),
    ],
)
def test_a_connection_that_may_be_read_on_its_way(url: str, is_told: bool) -> None:
    settings = Settings(_env_file=None, database_url=SecretStr(url))
    assert unencrypted(settings) == (["DATABASE_URL"] if is_told else [])


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
