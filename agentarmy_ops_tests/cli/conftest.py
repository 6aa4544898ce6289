"""The command line, pointed at real servers by environment variables alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner

from agentarmy_ops.cli.app import cli as root
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.fix_tenants import AppDatabase


@dataclass(frozen=True)
class Outcome:
    """What a command wrote and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def written(self) -> str:
        return self.stdout + self.stderr


class Cli(Protocol):
    def __call__(self, *arguments: str, stdin: str | bytes | None = None) -> Outcome: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """``AGENTARMY_HOME``."""
    return tmp_path / "home"


@pytest.fixture
def environment(
    app_database: AppDatabase,
    scratch_server: ConnInfo,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    """Everything set to fixtures; call it to set more: ``environment(REDIS_URL="...")``."""

    def set_variables(**variables: object) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    work = tmp_path / "work"  # without .env
    work.mkdir()
    monkeypatch.chdir(work)
    set_variables(
        ENVIRONMENT="testing",
        AGENTARMY_HOME=home,
        DATABASE_URL=app_database.owner.url,
        BACKUP_DATABASE_URL=app_database.backup.url,
        SCRATCH_DATABASE_URL=scratch_server.url,
        DAGSTER_DATABASE_URL=app_database.superuser.url,
    )
    return set_variables


@pytest.fixture
def cli(environment: Callable[..., None]) -> Cli:
    """Run a command in this process."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Outcome:
        result = CliRunner().invoke(
            root, arguments, input=stdin, prog_name="agentarmy-ops", catch_exceptions=False
        )
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def start(
    environment: Callable[..., None], repository_root: Path
) -> Callable[..., "subprocess.Popen[str]"]:
    """Start a command in a process of its own."""

    def popen(*arguments: str, **keywords: Any) -> "subprocess.Popen[str]":
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "agentarmy_ops.cli", *arguments],
            env={**os.environ, "PYTHONPATH": str(repository_root)},
            text=True,
            **{**streams, **keywords},
        )

    return popen
