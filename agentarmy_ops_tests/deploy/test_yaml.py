"""All YAML of the repository passes yamllint, which catches mistakes."""

from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.linters import ROOT, commands, copy_of_linted, lint


def test_yamllint_has_nothing_to_say() -> None:
    done = lint("lint-yaml", "yamllint", ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("key-duplicates", "retries: 3\nretries: 4\n"),
        ("octal-values", "mode: 0700\n"),
        ("truthy", "enabled: yes\n"),
        ("indentation", "steps:\n  - run: make\njobs:\n    - run: test\n"),
        ("trailing-spaces", "name: x \n"),
        ("new-line-at-end-of-file", "name: x"),
        ("braces", "env: { name: x }\n"),
        ("syntax", "name: [x\n"),
    ],
)
@pytest.mark.parametrize("name", ["deploy/new/values.yaml", ".github/workflows/new.yml"])
def test_yamllint_catches(rule: str, text: str, name: str, tmp_path: Path) -> None:
    file = copy_of_linted(tmp_path) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    done = lint("lint-yaml", "yamllint", tmp_path)
    assert done.returncode != 0
    assert name in done.stdout
    assert f"({rule})" in done.stdout


def test_what_is_made_is_not_looked_at(tmp_path: Path) -> None:
    file = copy_of_linted(tmp_path) / ".venv" / "lib" / "other.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("a: 1\na: 2\n")
    assert lint("lint-yaml", "yamllint", tmp_path).returncode == 0


def test_yamllint_is_all_there_is() -> None:
    assert [line for line in commands("lint-yaml") if "yamllint --strict ." not in line] == []
