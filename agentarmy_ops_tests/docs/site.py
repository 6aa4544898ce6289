"""Hooks of mkdocs: pages look as GitHub shows them, and links to the rest of the repository hold.

Pages are written for GitHub, whose Markdown is CommonMark with tables. Python-Markdown, which
mkdocs comes with, reads lists and the code in them in another way, and makes other anchors. So
markdown-it, which is among the dependencies anyway, reads them here; mkdocs checks what it made.
"""

# Python-Markdown has no types of its own.
# mypy: disable-error-code="import-untyped, misc"

import logging
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from markdown import Extension, Markdown
from markdown.blockparser import BlockParser
from markdown.treeprocessors import Treeprocessor
from markdown_it import MarkdownIt
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

_log = logging.getLogger("mkdocs.hooks.repository")  # mkdocs counts what is said below "mkdocs"


def github_slug(heading: str, separator: str = "-") -> str:
    """What GitHub calls a heading in a link."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def _anchors(page: Path) -> set[str]:
    """What the headings of a page outside of the documentation are called."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {github_slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


class _CommonMark(BlockParser):
    """Reads the whole page by markdown-it; Python-Markdown's own rules are left out."""

    def parseDocument(self, lines: list[str]) -> ElementTree.ElementTree:  # noqa: N802
        reader = MarkdownIt("commonmark", {"xhtmlOut": True}).enable("table")
        page = reader.render("\n".join(lines))
        page = page.replace("<br>", "<br />")
        return ElementTree.ElementTree(ElementTree.fromstring(f"<div>{page}</div>"))  # noqa: S314


class _RepositoryLinks(Treeprocessor):
    """Makes links to files outside of ``docs`` links into the repository, or plain text."""

    def __init__(self, config: MkDocsConfig) -> None:
        super().__init__()
        self.docs = Path(config.docs_dir)
        self.url = (config.repo_url or "").rstrip("/")
        self.page = ""

    def run(self, root: ElementTree.Element) -> None:
        for link in root.iter("a"):
            if link.get("href") is None:  # a place with a name of its own, in HTML
                link.tag = "span"
                continue
            url = urlsplit(link.get("href", ""))
            name = posixpath.normpath(
                posixpath.join("docs", posixpath.dirname(self.page), url.path)
            )
            if url.scheme or url.netloc or not url.path or name.startswith("docs/"):
                continue  # mkdocs' own
            target = self.docs.parent / name
            if not target.exists():
                _log.warning("%s: the repository has no %s", self.page, name)
            elif url.fragment and url.fragment not in _anchors(target):
                _log.warning("%s: %s has no #%s", self.page, name, url.fragment)
            elif self.url:
                kind = "tree" if target.is_dir() else "blob"
                anchor = f"#{url.fragment}" if url.fragment else ""
                link.set("href", f"{self.url}/{kind}/main/{name}{anchor}")
            else:
                link.tag = "span"
                link.attrib.clear()


class _GitHub(Extension):
    def __init__(self, config: MkDocsConfig) -> None:
        super().__init__()
        self.links = _RepositoryLinks(config)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        for processors in (md.preprocessors, md.postprocessors):
            for name in [item.name for item in processors._priority]:
                processors.deregister(name)
        md.treeprocessors.deregister("inline")
        md.parser = _CommonMark(md)
        md.treeprocessors.register(self.links, "repository", 1)  # just before mkdocs' own


_github: list[_GitHub] = []


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """Put our reader in place, with anchors as GitHub's."""
    _github[:] = [_GitHub(config)]
    config.markdown_extensions.extend(_github)
    config.mdx_configs["toc"] = {"slugify": github_slug}
    return config


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Remember whose links come next."""
    _github[0].links.page = page.file.src_uri
    return markdown
