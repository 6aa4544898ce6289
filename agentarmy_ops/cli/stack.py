"""The embedded servers as a whole."""

import click

from agentarmy_ops.runtime import Runtime


@click.command(
    short_help="Stop the embedded servers.",
    epilog="""\b
Examples:
  agentarmy-ops down

Never touches a server that is not embedded; never removes data.""",
)
def down() -> None:
    """Stop the embedded servers of AGENTARMY_HOME, whoever uses them."""
    stopped = Runtime().stop_embedded_servers()
    click.echo(f"stopped {', '.join(stopped)}" if stopped else "no embedded server is running")
