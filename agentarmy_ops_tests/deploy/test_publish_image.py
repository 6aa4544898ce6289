"""``.ci/publish-image``: which image a version is, built once, then found. Docker, gcloud and git
are stand-ins that note how they were called."""

import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentarmy_ops import __version__
from agentarmy_ops_tests.deploy.linters import ROOT

_REPOSITORY = "europe-west1-docker.pkg.dev/ops-staging/agentarmy"
_NAME = f"{_REPOSITORY}/agentarmy-ops"
_TAG = f"v{__version__}"
_REF = f"refs/tags/{_TAG}"
_DIGEST = "sha256:" + "0123456789abcdef" * 4

_DOCKER = r"""
case "$2" in
imagetools) if [ -n "$THERE" ]; then echo "$THERE"; else echo "not found" >&2; exit 1; fi ;;
build)
    while [ "$1" != --metadata-file ]; do shift; done
    [ -n "$BUILT" ] || exit 1
    echo "{\"containerimage.digest\": \"$BUILT\"}" >"$2"
    ;;
esac
"""


@dataclass
class Publisher:
    """Runs the script; ``calls`` are the command lines of the programs it called."""

    folder: Path
    calls: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, script in {"docker": _DOCKER, "gcloud": "", "git": "echo of-git"}.items():
            program = self.folder / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/calls"\n{script}')
            program.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [ROOT / ".ci" / "publish-image", *arguments],
            env={
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "GITHUB_OUTPUT": str(self.folder / "output"),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        self.calls = [shlex.split(line) for line in lines]
        return done

    @property
    def output(self) -> str:
        """What later jobs are given."""
        file = self.folder / "output"
        return file.read_text() if file.exists() else ""

    @property
    def build(self) -> list[str] | None:
        """How the image was built, if it was."""
        builds = [call for call in self.calls if call[:3] == ["docker", "buildx", "build"]]
        assert len(builds) <= 1
        return builds[0] if builds else None


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def test_a_new_version_is_built_and_pushed_under_its_tag(publisher: Publisher) -> None:
    done = publisher.run(_REPOSITORY, _REF, "--only-existing=false", BUILT=_DIGEST)
    assert done.returncode == 0, done.stderr
    assert publisher.calls[0][:3] == ["gcloud", "auth", "configure-docker"]
    assert publisher.calls[0][3] == "europe-west1-docker.pkg.dev"
    build = publisher.build
    assert build is not None
    assert {"--push", f"{_NAME}:{_TAG}", "--provenance", "--sbom"} <= set(build)
    assert f"VERSION={__version__}" in build
    assert "REVISION=of-git" in build
    assert publisher.output == f"image={_NAME}@{_DIGEST}\n"
    assert done.stdout.splitlines()[-1] == f"{_NAME}@{_DIGEST}"


def test_every_label_that_is_given_is_one_of_the_dockerfile(publisher: Publisher) -> None:
    publisher.run(_REPOSITORY, _REF, BUILT=_DIGEST)
    build = publisher.build
    assert build is not None
    given = {build[at + 1].split("=")[0] for at, word in enumerate(build) if word == "--build-arg"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert len(given) == 4
    assert [name for name in given if f"\nARG {name}" not in dockerfile] == []


@pytest.mark.parametrize("only_existing", ["true", "false"])
def test_a_version_that_has_an_image_is_not_built_again(
    only_existing: str, publisher: Publisher
) -> None:
    done = publisher.run(_REPOSITORY, _REF, f"--only-existing={only_existing}", THERE=_DIGEST)
    assert done.returncode == 0, done.stderr
    assert publisher.build is None
    assert publisher.output == f"image={_NAME}@{_DIGEST}\n"


def test_nothing_is_built_to_roll_back_to(publisher: Publisher) -> None:
    done = publisher.run(_REPOSITORY, _REF, "--only-existing=true", BUILT=_DIGEST)
    assert done.returncode == 1
    assert "a version without an image cannot be rolled back to" in done.stderr
    assert (publisher.build, publisher.output) == (None, "")


@pytest.mark.parametrize(
    ("repository", "ref", "said"),
    [
        ("", _REF, "no repository of images is given; set IMAGE_REPOSITORY"),
        (_REPOSITORY, "refs/heads/main", "refs/heads/main is no version tag"),
        (_REPOSITORY, "refs/heads/v1.0.0", "refs/heads/v1.0.0 is no version tag"),
        (_REPOSITORY, "refs/tags/v999.0.0", "the tag is v999.0.0, but the version in pyproject"),
    ],
)
def test_what_is_no_release_is_refused_at_once(
    repository: str, ref: str, said: str, publisher: Publisher
) -> None:
    done = publisher.run(repository, ref, BUILT=_DIGEST, THERE=_DIGEST)
    assert done.returncode == 1
    assert done.stderr.startswith(f"publish-image: {said}")
    assert (publisher.calls, publisher.output) == ([], "")


@pytest.mark.parametrize("variables", [{"BUILT": ""}, {"BUILT": "v1"}, {"THERE": "sha256:12"}])
def test_without_a_digest_there_is_no_image(
    variables: dict[str, str], publisher: Publisher
) -> None:
    done = publisher.run(_REPOSITORY, _REF, **variables)
    assert done.returncode != 0
    assert publisher.output == ""
