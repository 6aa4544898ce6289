"""The server of our code for gateway and daemon: a container beside theirs."""

import socket
from pathlib import Path

import click

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.observability.logs import configure_logging
from agentarmy_ops.runtime import Runtime


@click.command(
    short_help="Serve our code to gateway and daemon.",
    epilog="""\b
Examples:
  agentarmy-ops code-server
  agentarmy-ops code-server --port 4001
  agentarmy-ops code-server --socket /run/agentarmy/code.sock

Whoever reaches the port may run code: Dagster's protocol has no login. Therefore it runs beside
gateway and daemon, and never listens where other machines reach it unless --host says so.""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=4000,
    show_default=True,
    help="Port to listen on. PORT is the gateway's, and not read here.",
)
@click.option(
    "--socket",
    "socket_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Listen on this Unix socket and on no address: who may open the file reaches it.",
)
def code_server(host: str, port: int, socket_file: Path | None) -> None:
    """Serve agentarmy_ops.definitions over gRPC, which a workspace.yaml names as grpc_server, until
    SIGTERM or Ctrl-C."""
    if socket_file is None:
        _refuse_taken(host, port)
    runtime = Runtime()
    configure_logging(runtime.settings.environment)
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.orchestration.code_servers import serve_code  # noqa: PLC0415

    # Loading the code starts Sentry.
    serve_code(host, port, socket_file)


def _refuse_taken(host: str, port: int) -> None:
    """Two gRPC servers may share a port (SO_REUSEPORT), and each would get half of the calls.

    Raises:
        ConfigurationError: the address is taken, or not ours to take.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        # create_server adds the address to the reason.
        reason = (error.strerror or "it is refused").partition(" (while")[0]
        raise ConfigurationError(
            f"cannot listen on {host}, port {port}: {reason}; give a free one with --port"
        ) from None
