"""The table of attempts to get in, written from the tests that make them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "web" / "attacks"
_TABLE = re.compile(r"(<!-- attacks: begin[^\n]*-->\n).*(<!-- attacks: end -->)", re.DOTALL)


def attacks() -> Iterator[tuple[str, str, str]]:
    """What is tried, what it gets, and the test that sees to it.

    Raises:
        ValueError: a test does not say.
    """
    for path in sorted(_FOLDER.glob("test_*.py")):
        for part in ast.parse(path.read_text()).body:
            if isinstance(part, ast.FunctionDef) and part.name.startswith("test_"):
                says = " ".join((ast.get_docstring(part, clean=True) or "").split())
                tried, arrow, answer = says.partition(" => ")
                test = f"{path.name}::{part.name}"
                if not arrow:
                    raise ValueError(f"{test}: its docstring must be: attempt => answer")
                yield tried, answer, test


def attacks_table(current: str) -> str:
    """``docs/security.md`` with its table replaced."""
    rows = ["| Attempt | Answer | Test |", "|---|---|---|"]
    rows += [f"| {tried} | {answer} | `{test}` |" for tried, answer, test in attacks()]
    table = "\n".join(rows) + "\n"
    return _TABLE.sub(lambda found: found.group(1) + table + found.group(2), current)
