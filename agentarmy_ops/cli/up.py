"""Dagster's UI and daemon on this machine."""

import signal
import subprocess
import sys
from types import FrameType

import click

from agentarmy_ops.cli.output import note
from agentarmy_ops.runtime import Runtime


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops up
  agentarmy-ops up --port 3001

Whoever reaches the port may start any job, so it listens on this machine only."""
)
@click.option("--port", default=3000, show_default=True, help="Port of the UI on 127.0.0.1.")
@click.pass_context
def up(context: click.Context, port: int) -> None:
    """Serve the Dagster UI, with daemon, schedules and sensors, until Ctrl-C."""
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.orchestration.local_runs import dagster_home  # noqa: PLC0415

    home = dagster_home()
    runtime = Runtime()
    # This process holds the embedded server, so it lives until all below has ended.
    _ = runtime.owner, runtime.dagster_url
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(home / "workspace.yaml")]
    # A shell starts background commands with SIGINT ignored, which children inherit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)])
    note(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C ends it)")

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Ctrl-C in a terminal reaches the child by itself, a signal to us does not.
        process.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_IGN if sys.stdin.isatty() else stop)
    signal.signal(signal.SIGTERM, stop)
    returncode = process.wait()
    context.exit(0 if returncode in (0, -signal.SIGINT) else 1)
