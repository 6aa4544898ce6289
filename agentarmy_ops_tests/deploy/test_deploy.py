"""``.ci/deploy``: what is asked of Cloud Run, in which order. gcloud is a stand-in that notes it;
the files that it is given are rendered for real."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from agentarmy_ops_tests.deploy.linters import ROOT

_NAME = "europe-west1-docker.pkg.dev/ops-staging/agentarmy/agentarmy-ops"
_IMAGE = f"{_NAME}@sha256:" + "0123456789abcdef" * 4
# Notes the command, the project and the region, and the kind, name and images of a file.
_GCLOUD = r"""
echo "$* in $CLOUDSDK_CORE_PROJECT $CLOUDSDK_RUN_REGION" >>"$CALLS/calls"
case "$*" in
*"$FAILS"*) [ -z "$FAILS" ] || exit 1 ;;
esac
case "$2 $3" in
*" replace") cp "$4" "$CALLS/" ;;
"services describe") echo agentarmy-gateway-00007-abc ;;
"revisions describe") echo "$SERVES" ;;
esac
"""
_MIGRATION = ["run jobs replace migrate.yaml", "run jobs execute agentarmy-migrate --wait"]
_ROLL_OUT = [
    "run jobs replace doctor.yaml",
    "run jobs execute agentarmy-doctor --wait",
    "run jobs replace run-worker.yaml",
    "run services replace gateway.yaml",
    "run worker-pools replace daemon.yaml",
]
_LOOK = [
    "run services describe agentarmy-gateway --format value(status.latestReadyRevisionName)",
    "run revisions describe agentarmy-gateway-00007-abc --format value(spec.containers[0].image)",
]


@dataclass
class Deployment:
    """Runs the script with a gcloud that notes what it is asked."""

    folder: Path

    def run(
        self, *arguments: str, fails: str = "", serves: str = _IMAGE
    ) -> "subprocess.CompletedProcess[str]":
        program = self.folder / "bin" / "gcloud"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{_GCLOUD}")
        program.chmod(0o755)
        return subprocess.run(
            [ROOT / ".ci" / "deploy", *arguments],
            env={
                "PATH": f"{program.parent}:{os.environ['PATH']}",
                "TMPDIR": str(self.folder),
                "CALLS": str(self.folder),
                "FAILS": fails,
                "SERVES": serves,
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """What gcloud was asked, with the names of files alone."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        commands = [line.split(" in ")[0].split() for line in lines]
        return [
            " ".join(Path(word).name if word.endswith(".yaml") else word for word in command)
            for command in commands
        ]

    @property
    def places(self) -> set[str]:
        """Projects and regions that gcloud was asked about."""
        lines = (self.folder / "calls").read_text().splitlines()
        return {line.split(" in ")[1] for line in lines}


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_migrations_and_doctor_come_before_what_serves(
    environment: str, deployment: Deployment
) -> None:
    done = deployment.run(environment, _IMAGE, "--migrate=true")
    assert done.returncode == 0, done.stderr
    assert deployment.calls == [*_MIGRATION, *_ROLL_OUT, *_LOOK]
    assert deployment.places == {f"example-ops-{environment} europe-west1"}
    assert _IMAGE in (deployment.folder / "summary").read_text()


def test_every_container_is_that_image_by_digest(deployment: Deployment) -> None:
    assert deployment.run("staging", _IMAGE).returncode == 0
    files = sorted(deployment.folder.glob("*.yaml"))
    assert [file.name for file in files] == sorted(
        file.name for file in (ROOT / "deploy" / "cloudrun").glob("*.yaml")
    )
    for file in files:
        named = [line.split()[-1] for line in file.read_text().splitlines() if "image: " in line]
        assert set(named) == {_IMAGE}, file.name
        # What is executed and described by name is what the files say.
        assert yaml.safe_load(file.read_text())["metadata"]["name"] == f"agentarmy-{file.stem}"


def test_an_older_image_is_deployed_without_migrations(deployment: Deployment) -> None:
    done = deployment.run("production", _IMAGE, "--migrate=false")
    assert done.returncode == 0, done.stderr
    assert deployment.calls == [*_ROLL_OUT, *_LOOK]


@pytest.mark.parametrize("at", range(7))
def test_the_first_step_that_fails_ends_it(at: int, deployment: Deployment) -> None:
    steps = [*_MIGRATION, *_ROLL_OUT]
    # Files are in a folder whose name is not known: what comes before it is enough.
    failing = steps[at] if "execute" in steps[at] else steps[at].split()[-1]
    done = deployment.run("staging", _IMAGE, fails=failing)
    assert done.returncode != 0
    assert deployment.calls == steps[: at + 1]
    assert "done" not in done.stdout
    assert not (deployment.folder / "summary").exists()


def test_what_serves_another_image_is_a_failure(deployment: Deployment) -> None:
    done = deployment.run("staging", _IMAGE, serves=f"{_NAME}@sha256:{'f' * 64}")
    assert done.returncode == 1
    assert "deploy: agentarmy-gateway-00007-abc serves " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["live", _IMAGE], "the environment is staging or production, not 'live'"),
        (["", _IMAGE], "the environment is staging or production, not ''"),
        (["staging", f"{_NAME}:v1.2.3"], "name the image by digest"),
        (["staging", f"{_NAME}@sha256:{'0' * 63}"], "name the image by digest"),
        (["staging", f"{_IMAGE}0"], "name the image by digest"),
        (["staging", _IMAGE, "--migrate=no"], "--migrate is true or false"),
        (["staging"], "name the image by digest"),
    ],
)
def test_what_cannot_be_deployed_is_refused_at_once(
    arguments: list[str], said: str, deployment: Deployment
) -> None:
    done = deployment.run(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"deploy: {said}")
    assert deployment.calls == []


def test_nothing_is_left_behind(deployment: Deployment) -> None:
    deployment.run("staging", _IMAGE)
    assert [path.name for path in deployment.folder.iterdir() if path.name.startswith("tmp.")] == []
