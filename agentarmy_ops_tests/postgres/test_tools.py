"""Client programs are found by the server's major, and their complaints become one line."""

from pathlib import Path

import pytest

from agentarmy_ops.errors import ClientToolError
from agentarmy_ops.postgres.tools import (
    all_tools,
    client_environment,
    failure_reason,
    find_tools,
    run_tool,
)


def _fake(folder: Path, version: str, *programs: str) -> Path:
    folder.mkdir()
    for program in programs or ("pg_dump", "pg_restore"):
        path = folder / program
        path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version} (Debian 1)'\n")
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize("major", [16, 18])
def test_the_tools_of_each_embedded_major_are_found(major: int) -> None:
    tools = find_tools(major)
    assert tools.major == major
    output = run_tool([tools.program("pg_restore"), "--version"], client_environment())
    assert f"(PostgreSQL) {tools.version}" in output


def test_the_newest_minor_release_wins(tmp_path: Path) -> None:
    dirs = [_fake(tmp_path / v, v) for v in ("16.9", "16.99", "16.100", "17.1")]
    assert find_tools(16, dirs).bin_dir == tmp_path / "16.100"
    assert find_tools(17, dirs).bin_dir == tmp_path / "17.1"


def test_named_folders_win_over_newer_tools_elsewhere(tmp_path: Path) -> None:
    named = _fake(tmp_path / "named", "16.1")
    assert find_tools(16).version != "16.1"
    assert find_tools(16, [named]).bin_dir == named


def test_a_missing_major_is_named_with_what_there_is(tmp_path: Path) -> None:
    beta = _fake(tmp_path / "beta", "19beta1")
    assert find_tools(19, [beta]).version == "19"
    with pytest.raises(ClientToolError) as caught:
        find_tools(11)
    assert str(caught.value).startswith("no pg_dump and pg_restore of PostgreSQL 11 (found: ")
    assert "16, 18" in str(caught.value)
    assert str(caught.value).endswith(
        "; install postgresql-client-11 or name their folder in POSTGRES_BIN_DIRS"
    )


def test_folders_without_both_programs_or_with_broken_ones_are_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (broken / name).write_text("not a program")
    dirs = [_fake(tmp_path / "half", "42.1", "pg_dump"), broken, tmp_path / "absent"]
    assert {tools.bin_dir for tools in all_tools(dirs)}.isdisjoint(dirs)


def test_our_own_environment_cannot_change_how_values_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGOPTIONS", "PGTZ", "PGDATESTYLE", "PGCLIENTENCODING", "LC_ALL"):
        monkeypatch.setenv(name, "de_DE")
    environment = client_environment({"lc_monetary": "en_US.UTF-8"})
    assert environment.keys().isdisjoint({"PGTZ", "PGDATESTYLE", "PGCLIENTENCODING", "LC_ALL"})
    assert environment["PGOPTIONS"].endswith(" -c lc_monetary=en_US.UTF-8")
    assert environment["LC_MESSAGES"] == "C"  # which LC_ALL would override


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("", "pg_restore: exit code 3"),
        ("something odd\n", "pg_restore: something odd"),
        ("pg_restore: error: could not open\n", "pg_restore: could not open"),
        (
            "pg_restore: warning: ignored\npg_restore: error: first\npg_restore: error: second\n",
            "pg_restore: first",
        ),
        (
            "pg_restore: error: could not execute query: ERROR:  insert violates key\n"
            'DETAIL:  Key (plan)=(9) is not present in table "plans".\n'
            "Command was: ALTER TABLE ONLY tenant_a.users\n"
            "    ADD CONSTRAINT users_plan_fkey FOREIGN KEY (plan) REFERENCES shared.plans(id);\n",
            "pg_restore: could not execute query: ERROR:  insert violates key "
            'DETAIL:  Key (plan)=(9) is not present in table "plans". '
            "[ALTER TABLE ONLY tenant_a.users ADD CONSTRAINT users_plan_fkey FOREIGN KEY]",
        ),
        (
            "pg_restore: error: could not execute query: ERROR:  no such server\n"
            "Command was: CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS (\n"
            "    password 'hunter2'\n);\n",
            "pg_restore: could not execute query: ERROR:  no such server "
            "[CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS]",
        ),
    ],
)
def test_complaints_become_one_line(stderr: str, reason: str) -> None:
    assert failure_reason("pg_restore", stderr, 3) == reason


def test_a_tool_that_fails_says_why() -> None:
    program = find_tools(16).program("pg_restore")
    with pytest.raises(ClientToolError, match=r"^pg_restore: could not open input file"):
        run_tool([program, "--list", "/nonexistent"], client_environment())
