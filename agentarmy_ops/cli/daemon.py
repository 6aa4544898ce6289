"""Dagster's daemon as a role of its own."""

from pathlib import Path

import click

from agentarmy_ops.cli.options import workspace_option
from agentarmy_ops.observability.logs import configure_logging
from agentarmy_ops.observability.sentry import start_sentry
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime

# Dagster itself would try for a dozen seconds, and end with a traceback.
_CONNECT_SECONDS = 10


@click.command(
    short_help="Run schedules, sensors and queued runs.",
    epilog="""\b
Examples:
  agentarmy-ops daemon
  agentarmy-ops daemon --workspace /etc/agentarmy/workspace.yaml

There is exactly one daemon over one Dagster storage: two would start the same work twice. It
listens on no port, and never runs code of a run that another machine is to run.""",
)
@workspace_option
def daemon(workspace_files: tuple[Path, ...]) -> None:
    """Run Dagster's daemon, which evaluates schedules and sensors, starts queued runs and watches
    those under way, until SIGTERM or Ctrl-C."""
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.orchestration.daemon import run_daemon  # noqa: PLC0415
    from agentarmy_ops.orchestration.local_runs import dagster_home, workspace_file  # noqa: PLC0415

    runtime = Runtime()
    files = workspace_files or (workspace_file(dagster_home()),)
    storage = ConnInfo.parse(runtime.dagster_url, name="DAGSTER_DATABASE_URL")
    storage.given_up_after(_CONNECT_SECONDS).connect().close()
    configure_logging(runtime.settings.environment)
    start_sentry(runtime.settings, "daemon")
    # This process holds the embedded servers, where there are any, for as long as it lives.
    run_daemon(files)
