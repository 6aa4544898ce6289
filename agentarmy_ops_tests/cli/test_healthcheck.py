"""What a container's role is asked."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentarmy_ops.cli.healthcheck import role_arguments
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.serving import serving


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["/opt/venv/bin/python", "/opt/venv/bin/agentarmy-ops", "serve"], ["serve"]),
        (
            ["/dev/init", "--", "agentarmy-ops", "daemon", "--workspace", "x"],
            ["daemon", "--workspace", "x"],
        ),
        (["python", "-m", "agentarmy_ops.cli", "code-server"], ["code-server"]),
        (["/opt/venv/bin/python", "/opt/venv/bin/dagster", "api", "execute_run", "{}"], []),
        (["bash"], []),
        (["agentarmy-ops"], []),
    ],
)
def test_the_role_is_what_the_process_was_started_with(words: list[str], found: list[str]) -> None:
    assert role_arguments(b"".join(word.encode() + b"\0" for word in words)) == found


Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def started_as(tmp_path: Path) -> Iterator[Started]:
    """A process that is called as a role is, and waits: the role's name is a script there."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        (tmp_path / arguments[0]).write_text("print(flush=True); input()")
        process = subprocess.Popen(
            ["agentarmy-ops", *arguments],
            executable=sys.executable,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
        )
        processes.append(process)
        # Only when it runs does /proc have its command line.
        assert process.stdout
        process.stdout.readline()
        return process

    yield start
    for process in processes:
        process.communicate(b"\n")


def test_a_gateway_is_asked_for_its_health(cli: Cli, started_as: Started) -> None:
    app = Starlette(routes=[Route("/health", lambda _: PlainTextResponse("ok"))])
    with serving(app) as address:
        port = address.partition(":")[2]
        process = started_as("serve", "--host", "0.0.0.0", "--port", port)  # noqa: S104
        outcome = cli("healthcheck", "--process", str(process.pid))
        assert (outcome.code, outcome.written) == (0, "")
    outcome = cli("healthcheck", "--process", str(process.pid))
    assert outcome.code == 1
    assert outcome.stderr.startswith(
        f"Error: serve: http://127.0.0.1:{port}/health does not answer"
    )


def test_the_port_may_come_from_the_variable(
    cli: Cli, started_as: Started, environment: Callable[..., None]
) -> None:
    environment(PORT=1, http_proxy="http://127.0.0.1:9")
    outcome = cli("healthcheck", "--process", str(started_as("serve").pid))
    assert outcome.stderr.startswith("Error: serve: http://127.0.0.1:1/health does not answer")


def test_an_answer_that_is_an_error_is_not_healthy(cli: Cli, started_as: Started) -> None:
    app = Starlette(routes=[Route("/health", lambda _: PlainTextResponse("no", 503))])
    with serving(app) as address:
        process = started_as("serve", "--port", address.partition(":")[2])
        assert cli("healthcheck", "--process", str(process.pid)).code == 1


def test_a_code_server_that_does_not_answer(cli: Cli, started_as: Started) -> None:
    process = started_as("code-server", "--port", "1")
    outcome = cli("healthcheck", "--process", str(process.pid))
    assert (outcome.code, outcome.stderr) == (
        1,
        "Error: code-server: 127.0.0.1:1 does not answer\n",
    )


def test_whatever_else_runs_is_healthy(cli: Cli, started_as: Started) -> None:
    assert cli("healthcheck", "--process", str(started_as("backup", "--all").pid)).code == 0
