"""The script that starts the scratch server, with programs that write down what they were asked."""

import base64
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.hcl import TERRAFORM

TOKEN, PASSWORD = "ya29.the-token", "the-password"
IMAGE = f"europe-west1-docker.pkg.dev/example/agentarmy/postgres@sha256:{'0' * 64}"
SECRET = "projects/1/secrets/scratch_password"
_CURL = f"""\
case "$*" in
*attributes/scratch-image) echo '{IMAGE}' ;;
*attributes/scratch-password) echo '{SECRET}' ;;
*/token) echo '{{"access_token":"{TOKEN}","expires_in":3599,"token_type":"Bearer"}}' ;;
*secretmanager.googleapis.com/v1/{SECRET}/versions/latest:access)
    for argument in "$@"; do
        case "$argument" in @*) cp "${{argument#@}}" "$SEEN/header" ;; esac
    done
    # As Google answers: on several lines.
    printf '{{\\n  "payload": {{\\n    "data": "%s",\\n    "dataCrc32c": "1"\\n  }}\\n}}\\n' \\
        '{base64.b64encode(PASSWORD.encode()).decode()}' ;;
*) exit 22 ;;
esac
"""


@dataclass(frozen=True)
class Boot:
    """What a boot did: the commands in order, and the folder they worked in."""

    commands: list[str]
    seen: Path
    run: Path

    def first(self, start: str) -> int:
        """The place of the first command that begins so."""
        return next(place for place, one in enumerate(self.commands) if one.startswith(start))


def boot(
    folder: Path, programs: Mapping[str, str]
) -> "tuple[Boot, subprocess.CompletedProcess[str]]":
    programs = {
        "curl": _CURL,
        "docker": "true",
        "iptables": "true",
        "docker-credential-gcr": "true",
        **programs,
    }
    for name in ("bin", "run", "seen"):
        (folder / name).mkdir()
    for name, body in programs.items():
        program = folder / "bin" / name
        program.write_text(f'#!/bin/bash\necho "{name} $*" >>"$SEEN/commands"\n{body}\n')
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", TERRAFORM / "scratch.sh"],
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "SEEN": str(folder / "seen"),
            "RUN_FOLDER": str(folder / "run"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    commands = (folder / "seen/commands").read_text().splitlines()
    return Boot(commands, folder / "seen", folder / "run"), done


@pytest.fixture
def booted(tmp_path: Path) -> Boot:
    booted, done = boot(tmp_path, {})
    assert done.returncode == 0, done.stderr
    return booted


def test_no_secret_is_an_argument_and_none_is_left(booted: Boot) -> None:
    for secret in (TOKEN, PASSWORD, base64.b64encode(PASSWORD.encode()).decode()):
        assert not any(secret in one for one in booted.commands)
    assert (booted.seen / "header").read_text().strip() == f"Authorization: Bearer {TOKEN}"
    (folder,) = booted.run.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {one.name: one.read_text() for one in folder.iterdir()} == {"password": PASSWORD}


def test_the_container_is_shut_in_before_it_starts(booted: Boot) -> None:
    started = booted.first("docker run ")
    rules = [one for one in booted.commands[:started] if one.startswith("iptables")]
    # Each is inserted before the others: answers are let through, then all is dropped.
    assert [one.split("--insert ")[1] for one in reversed(rules)] == [
        "INPUT --in-interface docker0 --jump DROP",
        "DOCKER-USER --in-interface docker0 --match conntrack --ctstate ESTABLISHED,RELATED "
        "--jump ACCEPT",
        "DOCKER-USER --in-interface docker0 --jump DROP",
    ]
    run = booted.commands[started]
    assert "--cap-drop ALL" in run
    assert "no-new-privileges" in run
    assert "--privileged" not in run
    assert "--network" not in run
    assert f" {IMAGE} " in run


def test_what_the_last_boot_left_is_thrown_away(booted: Boot) -> None:
    assert booted.first("docker pull") < booted.first("docker rm --force --volumes scratch")
    assert booted.first("docker rm") < booted.first("docker run")


@pytest.mark.parametrize("name", ["iptables", "docker-credential-gcr"])
def test_without_one_of_the_steps_nothing_is_started(name: str, tmp_path: Path) -> None:
    booted, done = boot(tmp_path, {name: "exit 1"})
    assert done.returncode != 0
    assert not any(one.startswith("docker run") for one in booted.commands)


@pytest.mark.parametrize(
    ("right", "wrong"), [("*secretmanager", "*elsewhere"), ('"data": ', '"date": ')]
)
def test_without_a_password_nothing_is_started(right: str, wrong: str, tmp_path: Path) -> None:
    """The secret has no version yet, or the answer is of another form."""
    assert right in _CURL
    booted, done = boot(tmp_path, {"curl": _CURL.replace(right, wrong)})
    assert done.returncode != 0
    assert not any(one.startswith("docker run") for one in booted.commands)
