"""The structure of the package is what the design says it is."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = "agentarmy_ops"


def test_each_floor_imports_only_the_floors_below_it(repository_root: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint), "--no-cache"], cwd=repository_root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_each_sql_file_is_used_by_a_module_beside_it(repository_root: Path) -> None:
    unused = []
    for path in (repository_root / PACKAGE).rglob("sql/*.sql"):
        source = "".join(module.read_text() for module in path.parent.parent.glob("*.py"))
        # Named whole, or by how its name begins: f"sample_{table}".
        beginnings = re.findall(r'f"(\w+_)\{', source)
        if f'"{path.stem}"' not in source and not path.stem.startswith(tuple(beginnings)):
            unused.append(path.relative_to(repository_root))
    assert unused == []


def test_no_module_is_too_long_to_read_at_once(repository_root: Path) -> None:
    lengths = {
        str(path.relative_to(repository_root)): len(path.read_text().splitlines())
        for path in (repository_root / PACKAGE).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_only_the_settings_read_variables_of_ours(repository_root: Path) -> None:
    """What is read elsewhere belongs to other programs: libpq, the login session, Dagster."""
    reading = re.compile(r"os\.environ|os\.getenv")
    found = {
        str(path.relative_to(repository_root / PACKAGE))
        for path in (repository_root / PACKAGE).rglob("*.py")
        if reading.search(path.read_text())
    }
    of_others = {
        "postgres/tools.py",
        "postgres/embedded.py",
        "orchestration/local_runs.py",
        "orchestration/code_servers.py",
    }
    assert found - of_others == set()
