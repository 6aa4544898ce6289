"""What ``serve`` refuses before it serves."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops_tests.cli.conftest import Cli

pytestmark = pytest.mark.usefixtures("undone_logging")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example"])  # noqa: S104
def test_without_a_login_only_this_machine_may_come(cli: Cli, host: str) -> None:
    outcome = cli("serve", "--host", host)
    assert outcome.code == 2
    assert outcome.stderr == (
        f"Error: GATEWAY_AUTH=none lets everybody in, so the gateway does not listen on {host}; "
        "set GATEWAY_AUTH to token or iap, or listen on 127.0.0.1\n"
    )


def test_a_port_that_is_taken(
    cli: Cli, environment: Callable[..., None], repository_root: Path
) -> None:
    environment(DAGSTER_HOME=repository_root)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = cli("serve", "--port", str(port))
    assert outcome.code == 2
    assert outcome.stderr == (
        f"Error: cannot listen on 127.0.0.1, port {port}: Address already in use; "
        "give a free one with --port\n"
    )


@pytest.mark.parametrize("reuse_port", [False, True])
def test_a_code_server_shares_its_port_with_nobody(cli: Cli, reuse_port: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=reuse_port) as taken:
        port = taken.getsockname()[1]
        outcome = cli("code-server", "--port", str(port))
    assert outcome.code == 2
    assert outcome.stderr == (
        f"Error: cannot listen on 127.0.0.1, port {port}: Address already in use; "
        "give a free one with --port\n"
    )


def test_a_host_that_is_none(
    cli: Cli, environment: Callable[..., None], repository_root: Path
) -> None:
    environment(DAGSTER_HOME=repository_root, GATEWAY_AUTH="token", GATEWAY_OPERATOR_TOKEN="x" * 32)
    outcome = cli("serve", "--host", "no.such.host.invalid")
    assert outcome.code == 2
    assert "cannot listen on no.such.host.invalid, port 3000" in outcome.stderr


def test_tokens_are_asked_for_before_anything_is_started(
    cli: Cli, environment: Callable[..., None], repository_root: Path
) -> None:
    environment(DAGSTER_HOME=repository_root, GATEWAY_AUTH="token")
    outcome = cli("serve", "--port", "0")
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1
    assert "GATEWAY_OPERATOR_TOKEN" in outcome.stderr


def test_a_folder_without_code_locations(
    cli: Cli, environment: Callable[..., None], tmp_path: Path
) -> None:
    environment(DAGSTER_HOME=tmp_path)
    outcome = cli("serve")
    assert outcome.code == 2
    assert "has no dagster.yaml" in outcome.stderr
    (tmp_path / "dagster.yaml").touch()
    assert "has no workspace.yaml; name one with --workspace" in cli("serve").stderr
