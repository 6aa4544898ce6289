"""``.env.example`` lists every setting, and nothing that is none."""

import re
from pathlib import Path

import pytest

from agentarmy_ops.settings import Settings, load_settings
from agentarmy_ops_tests.docs.pages import documented_variables

_BLOCK = re.compile(r"((?:^# .*\n)+)^#([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)

# How the package, Dagster's configuration and the image name what they read or set.
_READ = {
    "agentarmy_ops/**/*.py": re.compile(r"""(?:environ(?:\.get\(|\[)|envvar=)"([A-Z_]+)\""""),
    "**/dagster*.yaml": re.compile(r"\benv: *([A-Z_]+)"),
    "Dockerfile": re.compile(r"^(?:ENV|   ) +([A-Z_]+)=", re.MULTILINE),
}
# The image's, of programs that everybody knows.
_WELL_KNOWN = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def _described(root: Path) -> dict[str, str]:
    text = (root / ".env.example").read_text()
    return {
        name: " ".join(line.removeprefix("# ") for line in comment.splitlines())
        for comment, name, _ in _BLOCK.findall(text)
    }


def test_names_and_descriptions_are_those_of_the_settings(repository_root: Path) -> None:
    settings = {name.upper(): field.description for name, field in Settings.model_fields.items()}
    assert _described(repository_root) == settings


def test_each_variable_is_listed_once(repository_root: Path) -> None:
    lines = (repository_root / ".env.example").read_text().splitlines()
    names = [line.partition("=")[0] for line in lines if re.match(r"#?[A-Z][A-Z0-9_]*=", line)]
    assert sorted(names) == sorted(f"#{name.upper()}" for name in Settings.model_fields)


def test_uncommented_it_is_the_default_configuration(
    repository_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repository_root / ".env.example").read_text()
    (tmp_path / ".env").write_text(re.sub(r"^#(?=[A-Z][A-Z0-9_]*=)", "", text, flags=re.MULTILINE))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    from_file = load_settings()
    (tmp_path / ".env").unlink()
    assert from_file == load_settings()


def test_every_variable_that_is_read_is_a_setting_or_documented_as_another_program_s(
    repository_root: Path,
) -> None:
    read = {
        name
        for pattern, variable in _READ.items()
        for path in repository_root.glob(pattern)
        for name in variable.findall(path.read_text())
    }
    assert {"PORT", "DAGSTER_HOME", "AGENTARMY_HOME"} <= read
    not_ours = read - _WELL_KNOWN - {name.upper() for name in Settings.model_fields}
    assert not_ours == documented_variables(repository_root)
