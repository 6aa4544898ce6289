"""docs/threat-model.md: each threat has its kind, what stands against it, and tests that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_PAGE = Path(__file__).parents[2] / "docs" / "threat-model.md"
_LINK = re.compile(r"\[([\w ]+)\]\(([^)]+)\)(?:; )?")
_COLUMNS = 5


def _problems(text: str) -> Iterator[str]:
    """What is wrong with the table of threats; nothing where it is right."""
    table = text.partition("## Threats\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    if len(rows) < 25:
        yield f"only {len(rows)} threats"
    for row in rows:
        threat, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        if len(cells) != _COLUMNS - 1:
            yield f"{threat}: {len(cells) + 1} columns"
            continue
        kinds, against, proved, _ = cells
        if not re.fullmatch(r"[STRIDE]( [STRIDE])*", kinds) or not against:
            yield f"{threat}: no kind, or nothing stands against it"
        tests = _LINK.findall(proved)
        if not tests or _LINK.sub("", proved).strip():
            yield f"{threat}: no tests, or something else beside them"
        for said, target in tests:
            path, name = _PAGE.parent / target, "test_" + said.replace(" ", "_")
            if not path.exists():
                yield f"{threat}: no {target}"
            elif path.stem != name:
                defined = re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE)
                if defined is None:
                    yield f"{threat}: no {name} in {target}"


def test_each_threat_has_tests_that_exist() -> None:
    assert list(_problems(_PAGE.read_text())) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[nothing]", "[of nothing]", "no test_of_nothing in"),
        ("attacks/test_tokens.py)", "attacks/test_token.py)", "test_token.py"),
        (
            "[split](../agentarmy_ops_tests/archive/test_split.py)",
            "a test",
            "something else",
        ),
        ("| S E | Closed", "| X | Closed", "no kind"),
        ("| S E | Closed", "| Closed", "4 columns"),
    ],
)
def test_a_mistake_is_found(old: str, new: str, said: str) -> None:
    text = _PAGE.read_text()
    assert text.count(old) == 1
    assert any(said in problem for problem in _problems(text.replace(old, new)))


def test_a_page_without_its_table_is_found() -> None:
    assert list(_problems("# Threat model\n")) == ["only 0 threats"]
