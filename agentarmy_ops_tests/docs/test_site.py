"""The documentation as a site: what it builds from, what it refuses, what a page loads."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

_ROOT = Path(__file__).parents[2]
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*?
        \b(?:src|srcset|href|data|poster)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)
      | url\(\s*["']?((?:https?:)?//[^"')]+)
      | @import\s+["']((?:https?:)?//[^"']+)""",
    re.VERBOSE,
)
Change = Callable[[Path], object]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository, whose documentation may be changed."""
    for path in _ROOT.iterdir():
        if path.name not in {"docs", "mkdocs.yml", "site"}:
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "mkdocs.yml").write_text((_ROOT / "mkdocs.yml").read_text())
    for path in (_ROOT / "docs").rglob("*"):
        if path.is_file():
            copy = tmp_path / "docs" / path.relative_to(_ROOT / "docs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return tmp_path


def _build(repository: Path) -> Path:
    """What ``mkdocs build --strict`` makes there."""
    config = load_config(str(repository / "mkdocs.yml"), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return Path(config.site_dir)


def _loads(site: Path) -> set[str]:
    """Addresses elsewhere from which pages, style sheets and scripts take something."""
    return {
        next(filter(None, found))
        for path in site.rglob("*")
        if path.suffix in {".html", ".css", ".js"}
        for found in _LOADED.findall(path.read_text())
    }


def _page(site: Path, name: str) -> str:
    return (site / name).read_text()


def test_it_is_built_without_a_warning_and_loads_nothing_from_elsewhere(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    site = _build(repository)
    assert _loads(site) == set()
    # As GitHub shows it: code within a numbered list, which goes on after it.
    runbook = _page(site, "runbooks/a-customer-asks-to-be-forgotten.html")
    assert runbook.count("<ol>") == 1
    assert re.search(r"<li>\s*<p><strong>Request[^✂]*?<pre><code[^✂]*?<table>", runbook)
    # No address of the repository, so no link into it.
    assert "<span>test</span>" in _page(site, "runbooks/restore-without-this-software.html")


def test_links_lead_where_github_and_the_repository_have_them(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPOSITORY_URL", "https://git.example/ops")
    _append("docs/diff.md", "[x](../README.md#five-minutes)")(repository)
    # As GitHub calls it; Python-Markdown would make one hyphen of it.
    _append("docs/diff.md", "## Here & there\n\n[x](#here--there)")(repository)
    _append("docs/diff.md", 'Named <a id="a-place"></a>by hand: [x](#a-place)')(repository)
    site = _build(repository)
    assert 'href="https://git.example/ops/blob/main/README.md#five-minutes"' in _page(
        site, "diff.html"
    )
    page = _page(site, "runbooks/restore-without-this-software.html")
    target = "blob/main/agentarmy_ops_tests/backups/test_encrypted_backups.py"
    assert f'href="https://git.example/ops/{target}"' in page


def _append(name: str, text: str) -> Change:
    def change(repository: Path) -> None:
        with (repository / name).open("a") as file:
            file.write(f"\n{text}\n")

    return change


def _replace(name: str, old: str, new: str) -> Change:
    def change(repository: Path) -> None:
        text = (repository / name).read_text()
        assert old in text
        (repository / name).write_text(text.replace(old, new))

    return change


_MISTAKES = [
    (_append("docs/cli.md", "[x](no-such-page.md)"), "'no-such-page.md'"),
    (_append("docs/cli.md", "[x](#no-such-place)"), "no such anchor on this page"),
    (_append("docs/cli.md", "[x](diff.md#no-such-place)"), "does not contain an anchor"),
    (_append("docs/cli.md", "![x](images/no-such.png)"), "'images/no-such.png'"),
    (_append("docs/cli.md", "[x](/diff.md)"), "absolute link"),
    (_append("docs/cli.md", "[x](runbooks/)"), "unrecognized relative link"),
    (_append("docs/cli.md", "[x](../no-such-file)"), "the repository has no no-such-file"),
    (_append("docs/cli.md", "[x](../README.md#six-minutes)"), "README.md has no #six-minutes"),
    (_append("docs/new.md", "# A page that nobody finds"), "- new.md"),
    (_replace("mkdocs.yml", "      - batches.md\n", ""), "- batches.md"),
    (_replace("mkdocs.yml", "- retention.md", "- gone.md"), "'gone.md'"),
]


def test_each_mistake_is_a_warning_and_a_warning_fails_it(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for change, _ in _MISTAKES:
        change(repository)
    with pytest.raises(Abort, match=r"warnings in strict mode"):
        _build(repository)
    warnings = "\n".join(
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    )
    assert [said for _, said in _MISTAKES if said not in warnings] == []


def test_what_is_loaded_from_elsewhere_is_found(repository: Path) -> None:
    _replace("mkdocs.yml", "highlightjs: false", "highlightjs: true")(repository)
    assert any("highlight.min.js" in address for address in _loads(_build(repository)))
