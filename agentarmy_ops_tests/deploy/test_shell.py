"""All shell scripts of the repository pass shellcheck, which catches mistakes."""

import os
import re
from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.linters import ROOT, commands, copy_of_linted, lint

# What is made, and what is not ours.
_NOT_LOOKED_INTO = {
    ".git",
    ".venv",
    ".agentarmy",
    ".bench",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "node_modules",
}
_SHELL = re.compile(rb"#!\s*\S*(/env )?\s*\S*\b(sh|bash|dash)\b")


def _scripts() -> list[str]:
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [each for each in folders if each not in _NOT_LOOKED_INTO]
        for path in (Path(folder, file) for file in files):
            with path.open("rb") as file:
                if _SHELL.match(file.readline(200)) or path.suffix in {".sh", ".bash"}:
                    found.append(str(path.relative_to(ROOT)))
    return sorted(found)


def test_shellcheck_has_nothing_to_say() -> None:
    done = lint("lint-shell", "shellcheck", ROOT)
    assert done.returncode == 0, done.stdout


def test_every_script_is_looked_at() -> None:
    (command,) = commands("lint-shell")
    assert sorted(command.split()[1:]) == _scripts()


def test_scripts_end_at_the_first_failure() -> None:
    assert [name for name in _scripts() if not re.search("^set -eu", _text(name), re.M)] == []


def _text(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("SC2086", "rm $1"),
        ("SC2154", 'echo "$nobody_set_it"'),
        ("SC2164", "cd /somewhere_else"),
        ("SC2155", 'export NAME="$(false)"'),
        ("SC1073", "if true; then"),
    ],
)
def test_shellcheck_catches(code: str, line: str, tmp_path: Path) -> None:
    copy_of_linted(tmp_path)
    script = tmp_path / "deploy" / "new" / "script"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/usr/bin/env bash\n{line}\n")
    done = lint("lint-shell", "shellcheck", tmp_path)
    assert done.returncode != 0
    assert "deploy/new/script" in done.stdout
    assert code in done.stdout
