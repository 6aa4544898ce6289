"""Linters pass GitHub's workflows, and catch mistakes."""

from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.linters import (
    ROOT,
    commands,
    copy_of_linted,
    lint,
    needs_actionlint,
    plant,
)

_TEST = ".github/workflows/test.yml"
_DEPLOY = ".github/workflows/deploy.yml"
_ENVIRONMENT = ".github/workflows/deploy-environment.yml"
_DEPENDABOT = ".github/dependabot.yml"
_LINTERS = ("zizmor", "github-workflows ", "require-timeout", "dependabot ", "actionlint")


@pytest.mark.parametrize("linter", _LINTERS)
def test_linters_have_nothing_to_say(linter: str) -> None:
    if linter == "actionlint":
        needs_actionlint()
    done = lint("lint-workflows", linter, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_linter_of_workflows_is_tried_here() -> None:
    lines = commands("lint-workflows")
    assert [line for line in lines if not any(linter in line for linter in _LINTERS)] == []


# The rule that notices, the file, what is replaced, by what.
@pytest.mark.parametrize(
    ("rule", "file", "old", "new"),
    [
        ("unpinned-uses", _TEST, r"checkout@\w{40}", "checkout@v7"),
        ("artipacked", _TEST, r"persist-credentials: false", "fetch-depth: 1"),
        ("excessive-permissions", _TEST, r"^permissions: {}", "permissions: write-all"),
        ("undocumented-permissions", _DEPLOY, r"(id-token: write) #.*", r"\1"),
        ("dangerous-triggers", _TEST, r"pull_request:", "pull_request_target:"),
        ("template-injection", _TEST, r"make lint", "make lint ${{ github.head_ref }}"),
        ("concurrency-limits", _TEST, r"^concurrency:\n.*\n.*\n", ""),
        ("secrets-inherit", _DEPLOY, r"(uses: .*/test.yml)", r"\1\n    secrets: inherit"),
        ("anonymous-definition", _TEST, r"^name: test\n", ""),
        ("dependabot-cooldown", _DEPENDABOT, r"    cooldown: .*\n", ""),
    ],
)
def test_zizmor_catches(rule: str, file: str, old: str, new: str, tmp_path: Path) -> None:
    copy = copy_of_linted(tmp_path)
    plant(copy / file, old, new)
    done = lint("lint-workflows", "zizmor", copy)
    assert done.returncode != 0
    assert f"[{rule}]" in done.stdout


@pytest.mark.parametrize(
    ("schema", "file", "old", "new", "said"),
    [
        ("github-workflows ", _TEST, r"runs-on:", "run-on:", "'runs-on' is a required property"),
        ("github-workflows ", _TEST, r"branches: \[main\]", "branchs: [main]", "branchs"),
        ("github-workflows ", _ENVIRONMENT, r"type: boolean", "type: bool", "'bool' is not one of"),
        (
            "require-timeout",
            _DEPLOY,
            r"    timeout-minutes: .*\n",
            "",
            "'timeout-minutes' is a required property",
        ),
        (
            "dependabot ",
            _DEPENDABOT,
            r"interval: weekly",
            "interval: hourly",
            "'hourly' is not one",
        ),
        ("dependabot ", _DEPENDABOT, r"    directory: .*\n", "", "is a required property"),
    ],
)
def test_schemas_catch(
    schema: str, file: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    copy = copy_of_linted(tmp_path)
    plant(copy / file, old, new)
    done = lint("lint-workflows", schema, copy)
    assert done.returncode != 0
    assert said in done.stdout


def test_actionlint_catches(tmp_path: Path) -> None:
    """All at once: it takes two seconds to begin."""
    needs_actionlint()
    copy = copy_of_linted(tmp_path)
    mistakes = [
        (_TEST, r"matrix.python }}-trixie", "matrix.pyhton }}-trixie", '"pyhton" is not defined'),
        (_TEST, r"github.sha ", "github.sah ", '"sah" is not defined'),
        (_TEST, r"needs: \[lint, tests", "needs: [lnt, tests", 'needs job "lnt" which does not ex'),
        (_TEST, r"ubuntu-24.04", "ubuntu-24.40", 'label "ubuntu-24.40" is unknown'),
        (_DEPLOY, r"steps.publish.out", "steps.publsh.out", '"publsh" is not defined'),
        (_DEPLOY, r"!inputs.rollback", "!inputs.rolback", '"rolback" is not defined'),
        (_DEPLOY, r"needs: \[image, st", "needs: [st", '"image" is not defined'),
        (_ENVIRONMENT, r"inputs.image }}", "inputs.imag }}", '"imag" is not defined'),
        (_ENVIRONMENT, r"shell: bash", "shell: bsh", 'shell name "bsh" is invalid'),
    ]
    for file, old, new, _ in mistakes:
        plant(copy / file, old, new)
    done = lint("lint-workflows", "actionlint", copy)
    assert done.returncode != 0
    assert [said for *_, said in mistakes if said not in done.stdout] == []
