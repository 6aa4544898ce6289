"""The gateway: Dagster's UI, the fleet page, health and metrics on one port."""

from pathlib import Path

import click

from agentarmy_ops.cli.options import workspace_option
from agentarmy_ops.observability.logs import configure_logging
from agentarmy_ops.observability.sentry import start_sentry, watched
from agentarmy_ops.runtime import Runtime


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops serve
  GATEWAY_AUTH=token agentarmy-ops serve --host 0.0.0.0 --port 8080

Starts no daemon: schedules, sensors and queued runs need 'agentarmy-ops daemon' besides. With
GATEWAY_AUTH=none it never listens on an address that other machines can reach."""
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3000,
    show_default=True,
    envvar="PORT",
    help="Port to listen on; 0 is any free one. Without it: variable PORT, which Cloud Run sets.",
)
@workspace_option
def serve(host: str, port: int, workspace_files: tuple[Path, ...]) -> None:
    """Serve the Dagster UI, /fleet, /metrics and /health on one port, until SIGTERM or Ctrl-C."""
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.orchestration.local_runs import dagster_home, workspace_file  # noqa: PLC0415
    from agentarmy_ops.web import server  # noqa: PLC0415
    from agentarmy_ops.web.app import create_gateway  # noqa: PLC0415

    runtime = Runtime()
    server.refuse_open_door(runtime.settings, host)
    files = workspace_files or (workspace_file(dagster_home()),)
    with server.listen(host, port) as listener:
        configure_logging(runtime.settings.environment)
        start_sentry(runtime.settings, "gateway")
        # This process holds the embedded servers, where there are any, for as long as it lives.
        server.serve(watched(create_gateway(runtime, files)), listener)
