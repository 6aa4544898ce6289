"""What the documentation repeats of the code is current."""

from pathlib import Path

import pytest

from agentarmy_ops_tests.docs.generate import GENERATED

_HOW = "out of date; run: python -m agentarmy_ops_tests.docs.generate"


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_it_is_current(name: str, repository_root: Path) -> None:
    current = (repository_root / name).read_text()
    assert current == GENERATED[name](current), _HOW


def test_the_table_of_settings_is_in_its_place(repository_root: Path) -> None:
    text = (repository_root / "docs/configuration.md").read_text()
    assert text.count("<!-- settings: begin") == text.count("<!-- settings: end -->") == 1
    assert "| `DATABASE_URL` | unset |" in text


def test_the_table_of_attacks_is_in_its_place(repository_root: Path) -> None:
    text = (repository_root / "docs/security.md").read_text()
    assert text.count("<!-- attacks: begin") == text.count("<!-- attacks: end -->") == 1
    assert "| No token | 401 with `WWW-Authenticate`" in text
