"""The roles of the image beside each other: the code server that gateway and daemon share."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.types import DaemonHeartbeat

from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.process_log import line_with

LONGEST_WAIT = 90


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
    return number


@pytest.fixture
def workspace(tmp_path: Path, port: int) -> Path:
    """As a container beside it names it."""
    file = tmp_path / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": port, "location_name": "agentarmy_ops"}
    file.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    return file


@contextmanager
def role(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A role in a process of its own; killed in the end where it runs still."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agentarmy_ops.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def healthcheck(process: "subprocess.Popen[Any]") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "agentarmy_ops.cli", "healthcheck", "--process", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PORT": "1"},
    )
    return done.returncode, done.stderr


def test_who_uses_a_code_server_finds_it_again_when_it_was_killed(
    stack: Stack, workspace: Path, port: int
) -> None:
    """As gateway and daemon use it; under either, a server that they start themselves stays dead
    until it is reloaded."""
    arguments = ("code-server", "--port", str(port))
    with ExitStack() as exits:
        first = exits.enter_context(role(*arguments))
        line_with(first, f"Code server: 127.0.0.1, port {port}")
        assert healthcheck(first) == (0, "")
        context = exits.enter_context(
            WorkspaceProcessContext(
                stack.instance, WorkspaceFileTarget([str(workspace)]), dagster.__version__
            )
        )
        assert context.create_request_context().get_code_location("agentarmy_ops")
        first.send_signal(signal.SIGKILL)
        first.wait()

        second = exits.enter_context(role(*arguments))
        line_with(second, "Code server")
        again = context.create_request_context().get_code_location("agentarmy_ops")
        (repository,) = again.get_repositories().values()
        assert repository.has_job("backup_tenants")
        # Not what was remembered: the new server is asked.
        assert again.client.ping("again")["echo"] == "again"  # type: ignore[attr-defined]

        second.send_signal(signal.SIGTERM)
        assert second.wait(LONGEST_WAIT) == 0


def test_the_daemon_writes_heartbeats_and_ends_when_told(stack: Stack, workspace: Path) -> None:
    """Its code server is away: that is in its log, and no reason to end."""
    with role("daemon", "--workspace", str(workspace)) as process:
        while healthcheck(process)[0]:
            assert process.poll() is None
        assert stack.instance.get_daemon_heartbeats()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=LONGEST_WAIT)
    assert process.returncode == 0, log
    # Each line once, and all in the one form of this environment.
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    messages = [line["message"] for line in lines]
    assert messages.count("Received interrupt, shutting down daemon threads...") == 1


def test_a_daemon_whose_heartbeats_are_old_is_not_healthy(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process that is called as the role is, and waits: "daemon" is a script here.
    (tmp_path / "daemon").write_text("print(flush=True); input()")
    with subprocess.Popen(
        ["agentarmy-ops", "daemon"],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        # Only when it runs does /proc have its command line.
        assert process.stdout
        process.stdout.readline()
        add = stack.instance.add_daemon_heartbeat
        assert healthcheck(process) == (1, "Error: daemon: no heartbeat yet\n")
        now = dagster._time.get_current_timestamp()
        # An earlier daemon's does not count, fresh or old.
        add(DaemonHeartbeat(now - 4000, "ASSET", "earlier", []))
        add(DaemonHeartbeat(now, "SENSOR", "this", []))
        add(DaemonHeartbeat(now - 200, "SCHEDULER", "this", []))
        assert healthcheck(process) == (0, "")
        add(DaemonHeartbeat(now - 400, "SCHEDULER", "this", []))
        code, errors = healthcheck(process)
        assert code == 1
        assert "Error: daemon: a thread's last heartbeat is 40" in errors
        process.communicate("\n")
