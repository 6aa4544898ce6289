"""What CI does after the tests, over servers that are given by URL as they are there."""

import subprocess
from dataclasses import replace

import pytest

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.given import Given
from agentarmy_ops_tests.smoke import SmokeError, main, smoke


def _databases(server: ConnInfo) -> set[str]:
    with server.connect() as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_one_tenant_by_the_commands_of_the_readme(
    given: Given, live_server: ConnInfo, scratch_server: ConnInfo
) -> None:
    before = _databases(live_server)
    smoke(replace(given, live=live_server, scratch=scratch_server))
    assert _databases(live_server) == before


def test_servers_that_are_not_for_tests_are_refused_in_one_line(
    live_server: ConnInfo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", live_server.url)
    monkeypatch.setenv("SCRATCH_DATABASE_URL", live_server.url)
    assert main() == 1
    printed = capfd.readouterr()
    assert printed.err == "smoke: DATABASE_URL and SCRATCH_DATABASE_URL must be two servers\n"
    assert printed.out == ""


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ("exit 3", "exit code 3: "),
        ('echo \'{"backups": [{"verdict": null}]}\'', "must have one backup, verified; it has"),
        ("echo '{\"backups\": []}'", "must have one backup, verified; it has"),
        ('echo \'{"backups": [{"verdict": "verified"}]}\'', "a backup of tenant nobody must fail"),
    ],
)
def test_commands_that_do_otherwise_are_told(
    commands: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command is replaced by one of a shell."""
    run = subprocess.run

    def other(command: list[str], **options: object) -> "subprocess.CompletedProcess[str]":
        return run(["sh", "-c", commands], **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "run", other)
    with pytest.raises(SmokeError, match=said):
        smoke(Given())
