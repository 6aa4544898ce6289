"""The files of an environment: all of them or none, and why not."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.cloudrun.shipped import CLOUD_RUN, ENVIRONMENTS, IMAGE

NAMES = {"daemon.yaml", "doctor.yaml", "gateway.yaml", "migrate.yaml", "run-worker.yaml"}


def _render(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    # -I: nothing but the standard library is there.
    command = [sys.executable, "-I", "-S", str(folder / "render.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_files_of_an_environment(environment: str, tmp_path: Path) -> None:
    found = _render(CLOUD_RUN, environment, "--image", IMAGE, "--output", str(tmp_path))
    assert (found.returncode, found.stderr) == (0, "")
    assert {file.name for file in tmp_path.iterdir()} == NAMES
    assert found.stdout.splitlines() == [str(tmp_path / name) for name in sorted(NAMES)]
    for file in tmp_path.iterdir():
        assert "$" not in file.read_text().replace("$$", "")
        assert f"example-ops-{environment}" in file.read_text()


def test_what_is_optional_is_there_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    _edit(folder, "environments/staging.env", "OPTIONAL=", "OPTIONAL=METRICS_TOKEN ")
    assert _render(folder, "staging", "--image", IMAGE, "--output", str(tmp_path)).returncode == 0
    gateway = (tmp_path / "gateway.yaml").read_text()
    assert "METRICS_TOKEN" in gateway
    assert "SENTRY_DSN" not in gateway


def _copy(tmp_path: Path) -> Path:
    shutil.copytree(CLOUD_RUN, tmp_path / "cloudrun")
    return tmp_path / "cloudrun"


def _edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


_STAGING = "environments/staging.env"
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no value": (
        lambda f: _edit(f, _STAGING, "INGRESS=all", "INGRESS="),
        "gateway.yaml:12: INGRESS is not set",
    ),
    "no such value": (
        lambda f: _edit(f, _STAGING, "INGRESS=all\n", ""),
        "gateway.yaml:12: INGRESS is not set",
    ),
    "a value for nothing": (
        lambda f: _edit(f, _STAGING, "INGRESS=", "EGRESS=x\nINGRESS="),
        "no template has a place for EGRESS",
    ),
    "a value twice": (
        lambda f: _edit(f, _STAGING, "INGRESS=", "REGION=x\nINGRESS="),
        "staging.env:17: REGION is there twice",
    ),
    "a value that YAML would read": (
        lambda f: _edit(f, _STAGING, "INGRESS=all", 'INGRESS=all"'),
        "staging.env:17: INGRESS may not have quotes or spaces",
    ),
    "no assignment": (
        lambda f: _edit(f, _STAGING, "INGRESS=all", "INGRESS: all"),
        "staging.env:17: expected NAME=value",
    ),
    "an optional variable of nobody": (
        lambda f: _edit(f, _STAGING, "OPTIONAL=", "OPTIONAL=SENTRY_DNS "),
        "OPTIONAL: no template sets SENTRY_DNS",
    ),
    "an optional variable without its value": (
        lambda f: _edit(f, _STAGING, "OPTIONAL=", "OPTIONAL=BACKUP_RECOVERY_RECIPIENT "),
        "BACKUP_RECOVERY_RECIPIENT is not set",
    ),
    "a dollar": (
        lambda f: _edit(f, "gateway.yaml", "name: agentarmy-gateway", "name: $agentarmy"),
        "gateway.yaml:5: $ without a name in capitals",
    ),
    "another environment's file": (
        lambda f: shutil.copy(f / "environments/production.env", f / _STAGING),
        "staging.env: ENVIRONMENT is not staging",
    ),
    "no environment": (lambda f: (f / _STAGING).unlink(), "there is no "),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_rendered_writes_nothing_and_says_why(mistake: str, tmp_path: Path) -> None:
    spoil, told = REFUSED[mistake]
    folder, output = _copy(tmp_path), tmp_path / "output"
    spoil(folder)
    found = _render(folder, "staging", "--image", IMAGE, "--output", str(output))
    assert found.returncode == 1
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith("render.py: ")
    assert told in line
    assert not output.exists()


@pytest.mark.parametrize(
    "image",
    [
        "ops:latest",
        "ops",
        IMAGE[:-1],
        f"{IMAGE}0",
        IMAGE.replace("sha256", "sha512"),
        f"{IMAGE}\nx",
    ],
)
def test_an_image_without_its_digest_is_refused(image: str, tmp_path: Path) -> None:
    found = _render(CLOUD_RUN, "staging", f"--image={image}", "--output", str(tmp_path))
    assert found.returncode == 1
    assert "--image: name it by digest" in found.stderr
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_all_be_written_leave_the_old_ones(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").mkdir()  # cannot be replaced by a file
    (tmp_path / "gateway.yaml" / "x").write_text("")
    found = _render(CLOUD_RUN, "staging", "--image", IMAGE, "--output", str(tmp_path))
    assert found.returncode == 1
    assert {file.name for file in tmp_path.iterdir()} == {"gateway.yaml"}
