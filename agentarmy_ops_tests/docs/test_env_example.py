"""``.env.example`` lists every setting, and nothing that is none."""

import re
from pathlib import Path

import pytest

from agentarmy_ops.settings import Settings, load_settings

_BLOCK = re.compile(r"((?:^# .*\n)+)^#([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


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
