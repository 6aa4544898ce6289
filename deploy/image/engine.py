"""Builds and runs containers: with docker where a daemon answers, else with podman and none."""

import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BASE = "python:3.12-slim"
STAND_IN = "localhost/agentarmy-base:3.12"
# What a locked-down platform allows. No network but loopback: the image fetches nothing.
_LOCKED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)


class Engine:
    """docker or podman, each command as both know it."""

    def __init__(self) -> None:
        self.is_docker = bool(shutil.which("docker")) and _succeeds(["docker", "info"])
        if self.is_docker:
            self.name, self._command = "docker", ["docker"]
            return
        if not shutil.which("podman"):
            raise SystemExit("neither a docker daemon nor podman is here; install one of them")
        self.name = "podman"
        # Its own storage, so that no other podman of this machine is disturbed; kept for its cache.
        kept = os.environ.get("IMAGE_TEST_STORAGE") or "~/.cache/agentarmy-image-test"
        folder = Path(kept).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        options = [
            f"--root={folder}/graph",
            f"--runroot={folder}/run",
            f"--tmpdir={folder / 'tmp'}",
            "--cgroup-manager=cgroupfs",
            f"--runtime={'runc' if shutil.which('runc') else 'crun'}",
        ]
        drivers = ("overlay", "vfs")
        for driver in drivers:
            self._command = ["podman", *options, f"--storage-driver={driver}"]
            if _succeeds([*self._command, "info"]):
                return
        raise SystemExit(f"podman works with none of the storage drivers {', '.join(drivers)}")

    def __call__(self, *arguments: str, check: bool = True, seconds: int = 600) -> str:
        """Its standard output; where it fails, what it complained of."""
        done = subprocess.run(
            [*self._command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check and done.returncode:
            raise RuntimeError(
                f"{self.name} {arguments[0]} … {arguments[-1][:60]!r}: exit code "
                f"{done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}"
            )
        return done.stdout.strip()

    def base(self, here: Path) -> str:
        """The image to build on: BASE of the environment, else the real one, else a stand-in."""
        if given := os.environ.get("BASE"):
            return given
        if self.is_docker or _succeeds([*self._command, "pull", "--quiet", BASE], seconds=90):
            return BASE
        if not _succeeds([*self._command, "image", "exists", STAND_IN]):
            with tempfile.TemporaryDirectory() as folder:
                archive = f"{folder}/base.tar"
                subprocess.run([here / "base", archive], check=True)
                self("import", archive, STAND_IN)
        return STAND_IN

    def build(self, context: Path, tag: str, base: str, arguments: Sequence[str] = ()) -> None:
        """Build; what it writes is shown."""
        options = ["build", "--tag", tag, f"--build-arg=BASE={base}"]
        if not self.is_docker:
            options += ["--isolation=chroot", "--format=docker", "--network=host", "--layers"]
        # What pip needs on this machine, and what no layer keeps.
        secrets = {
            "ca-bundle": os.environ.get("PIP_CERT"),
            "pip-conf": os.environ.get("PIP_CONFIG_FILE"),
        }
        options += [
            f"--secret=id={name},src={path}"
            for name, path in secrets.items()
            if path and Path(path).is_file()
        ]
        subprocess.run(
            [*self._command, *options, *arguments, str(context)],
            check=True,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )

    def start(self, name: str, image: str, *command: str, options: Sequence[str] = ()) -> None:
        """Start a container, locked down; no command is the image's own."""
        limits: list[str] = []
        if not self.is_docker:
            # podman asks for more open files than a root without all rights may have.
            soft = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
            # And it would put a tmpfs into /var/tmp and /run, as docker does not.
            limits = [
                "--read-only-tmpfs=false",
                f"--ulimit=nofile={soft}:{soft}",
                "--ulimit=nproc=4096:4096",
            ]
        self("run", "--detach", f"--name={name}", *_LOCKED, *limits, *options, image, *command)

    def inside(self, name: str, *command: str, seconds: int = 600) -> str:
        """Run a program in a container that runs."""
        return self("exec", name, *command, seconds=seconds)

    def state(self, name: str) -> dict[str, Any]:
        """What is known of a container."""
        found: dict[str, Any] = json.loads(self("inspect", "--type=container", name))[0]["State"]
        return found

    def is_healthy(self, name: str) -> bool:
        """Ask the image's HEALTHCHECK. docker does so by itself, podman only with systemd."""
        if not self.is_docker:
            return _succeeds([*self._command, "healthcheck", "run", name])
        return bool(self.state(name)["Health"]["Status"] == "healthy")

    def remove(self, prefix: str) -> None:
        """Remove what has this name, or begins with it: containers, then volumes."""
        names = self("ps", "--all", "--format={{.Names}}").split()
        for name in names:
            if name.startswith(prefix):
                self("rm", "--force", "--volumes", name, check=False)
        for name in self("volume", "ls", "--quiet").split():
            if name.startswith(prefix):
                self("volume", "rm", "--force", name, check=False)


def _succeeds(command: Sequence[str], seconds: int = 60) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
