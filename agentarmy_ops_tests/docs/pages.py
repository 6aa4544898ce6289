"""The pages of the documentation, taken apart."""

import re
from pathlib import Path

_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages(root: Path) -> list[Path]:
    """README, changelog and everything below ``docs``."""
    return [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]


def code_of(page: Path) -> list[str]:
    """Lines of code blocks, continued lines joined, and what stands between backticks."""
    text = page.read_text()
    blocks = [block.replace("\\\n", " ") for block in _FENCE.findall(text)]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [*lines, *_INLINE.findall(_FENCE.sub("", text))]


def links_of(page: Path) -> list[str]:
    """Targets of links to other files of the repository, and to places in a page."""
    text = _FENCE.sub("", page.read_text())
    return [link for link in _LINK.findall(text) if not link.startswith(("http://", "https://"))]


def anchors_of(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def documented_variables(root: Path) -> set[str]:
    """Variables of other programs that ``docs/configuration.md`` lists."""
    page = (root / "docs" / "configuration.md").read_text()
    section = page.partition("## Variables of other programs")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([A-Z_]+)` \| ", section, re.MULTILINE))
