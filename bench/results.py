"""The results of runs: one JSON file per size, and what is made of it for people.

A run replaces the parts it measured, so a long one can be done section by section. When the
machine or a program on it is another one, everything measured before is forgotten.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from bench.report import Goal, Row, goal_rows, markdown, turned
from bench.section import Section
from bench.sections import SECTIONS

ROOT = Path(__file__).parents[1]
_DOCS = ROOT / "docs"
_IMAGE = Path("images") / "growth.svg"
_TITLE = "# Measured performance"


class Part(BaseModel):
    """What a section measured on one major in one run, and why it stopped, if it failed."""

    section: str
    major: int
    measured_at: str
    commit: str
    seconds: float
    load: float
    rows: list[dict[str, str | int | float | None]] = Field(default_factory=list)
    error: str | None = None


class Results(BaseModel):
    """All parts of one size."""

    size: str
    machine: dict[str, str]
    parts: list[Part] = Field(default_factory=list)

    def add(self, part: Part) -> None:
        """Put a part in the place of the one measured before."""
        key = (part.section, part.major)
        self.parts = [one for one in self.parts if (one.section, one.major) != key] + [part]

    def of(self, section: Section) -> list[Part]:
        """The section's parts, by major."""
        found = [part for part in self.parts if part.section == section.name]
        return sorted(found, key=lambda part: part.major)

    def rows(self, section: Section) -> list[Row]:
        """The section's rows of all majors."""
        return [row for part in self.of(section) for row in part.rows]

    def goals(self, section: Section) -> Sequence[Goal]:
        """What the section was to reach; nothing where it measured nothing."""
        rows = self.rows(section)
        return list(section.goals(rows)) if rows else []


def folder(size: str) -> Path:
    """Where the results of a size are kept."""
    return ROOT / "bench" / "results" / size


def load(size: str) -> Results | None:
    """What was measured before, if anything was."""
    path = folder(size) / "results.json"
    return Results.model_validate_json(path.read_text()) if path.exists() else None


def save(results: Results) -> None:
    """Keep the results, and the same as Markdown."""
    here = folder(results.size)
    here.mkdir(parents=True, exist_ok=True)
    (here / "results.json").write_text(results.model_dump_json(indent=1))
    (here / "report.md").write_text(render(results, "growth.svg"))


def publish(results: Results, plot: Path | None) -> None:
    """Write the page and the picture of the documentation."""
    if plot:
        (_DOCS / _IMAGE).write_bytes(plot.read_bytes())
    (_DOCS / "performance-results.md").write_text(render(results, str(_IMAGE) if plot else None))
    for section in SECTIONS:
        if parts := [part for part in results.of(section) if part.rows]:
            _quote(section, parts)


def _quote(section: Section, parts: Sequence[Part]) -> None:
    """Write the section's figures, a column for each row, where a page asks for them."""
    begin, end = f"<!-- bench {section.name}: begin -->\n", f"<!-- bench {section.name}: end -->"
    rows = [row for part in parts for row in part.rows]
    text = f"\n{markdown(turned(rows))}\n{'; '.join(_when(part) for part in parts)}.\n\n"
    for page in sorted(_DOCS.glob("*.md")):
        before, found, rest = page.read_text().partition(begin)
        if found:
            page.write_text(before + begin + text + end + rest.partition(end)[2])


def render(results: Results, image: str | None) -> str:
    """The results as a page."""
    return "\n".join(_page(results, image))


def _page(results: Results, image: str | None) -> Iterator[str]:
    yield f"{_TITLE}\n"
    yield (
        f"Written by `python -m bench --size {results.size} --docs`, not by hand. What is measured "
        "and how, and what the figures do not say: [performance](performance.md). Times are wall "
        "times; MB are 1,000,000 bytes.\n"
    )
    yield "## Machine\n"
    yield markdown([{"": name, "measured on": value} for name, value in results.machine.items()])
    for section in SECTIONS:
        parts = results.of(section)
        if not parts or not any(part.rows or part.error for part in parts):
            continue
        yield f"## {section.title}\n"
        yield section.about
        if rows := results.rows(section):
            yield markdown(rows)
        if goals := results.goals(section):
            yield markdown(goal_rows(goals))
        if section.name == "fleet" and image:
            yield f"![Seconds per tenant by number of tenants]({image})\n"
        yield "; ".join(_when(part) for part in parts) + ".\n"


def _when(part: Part) -> str:
    failed = f" **It failed: {part.error}**" if part.error else ""
    return (
        f"PostgreSQL {part.major}: measured {part.measured_at} at commit {part.commit} in "
        f"{part.seconds:,.0f} s, load average {part.load:.1f} before{failed}"
    )
