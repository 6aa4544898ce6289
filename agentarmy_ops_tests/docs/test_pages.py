"""Links of the README resolve; variables, commands and options that the pages name exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from agentarmy_ops.cli.app import cli
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.docs.pages import (
    anchors_of,
    code_of,
    documented_variables,
    links_of,
    pages,
)

_ROOT = Path(__file__).parents[2]
_PAGES = pytest.mark.parametrize(
    "page", pages(_ROOT), ids=lambda page: str(page.relative_to(_ROOT))
)
# Names in capitals that are other programs'.
_OTHERS = {
    "ON_ERROR_STOP",
    "LC_MESSAGES",
    "_AGENTARMY_OPS_COMPLETE",
    "SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION",
    "DAGSTER_EVENT_BATCH_SIZE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST",
    "AGENTARMY_IMAGE",  # of compose.yaml
    "DAGSTER_CHART",  # of a test
    "PROMETHEUS_MULTIPROC_DIR",
    "REPOSITORY_URL",
    # Of GitHub's environments.
    "WORKLOAD_IDENTITY_PROVIDER",
    "DEPLOY_SERVICE_ACCOUNT",
    "IMAGE_REPOSITORY",
} | documented_variables(_ROOT)
# What differs between environments of Cloud Run.
_OTHERS |= set(
    re.findall(
        "^([A-Z_]+)=", (_ROOT / "deploy/cloudrun/environments/staging.env").read_text(), re.M
    )
)
_VARIABLE = re.compile(r"(?<![\w.])_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w.])")


# The links below docs/ are checked where mkdocs builds it: test_site.py.
@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_links_resolve(name: str) -> None:
    page = _ROOT / name
    broken = []
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


@_PAGES
def test_variables_exist(page: Path) -> None:
    named = {name for code in code_of(page) for name in _VARIABLE.findall(code)}
    assert named - _OTHERS - {name.upper() for name in Settings.model_fields} == set()


@_PAGES
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        found.group(1)
        for code in code_of(page)
        if (found := re.match(r"(?:\$ )?make ([a-z-]+)\s*(?:#|$)", code))
    }
    assert named - targets == set()


def _commands(page: Path) -> Iterator[list[str]]:
    for code in code_of(page):
        if found := re.match(r"(?:\$ |[A-Z_]+=\S+ )*agentarmy-ops ([^|#;&<>…\[]+)", code):
            yield shlex.split(found.group(1))


def _resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and what follows its name."""
    command: click.Command = cli
    rest = list(words)
    while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
        if rest[0].isupper():
            break  # COMMAND, in a description
        found = command.get_command(click.Context(cli), rest.pop(0))
        assert found is not None, words
        command = found
    return command, rest


@_PAGES
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in _commands(page):
        command, rest = _resolve(words)
        options = {name for param in command.params for name in param.opts + param.secondary_opts}
        named = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert named - options - {"--help", "--version"} == set(), words


def test_what_the_readme_shows_is_there(repository_root: Path) -> None:
    text = (repository_root / "README.md").read_text()
    for shown in ("make demo", "make up", "make test", "make clean", "dagster job execute"):
        assert shown in text
