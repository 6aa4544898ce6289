"""The root of all commands. Each is imported when it is asked for, so that none waits for what
only another needs."""

import signal
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from agentarmy_ops import __version__
from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.errors import OpsError
from agentarmy_ops.text import one_line

# Command: where it is. In the order in which one needs them.
COMMANDS = {
    "doctor": "agentarmy_ops.cli.doctor:doctor",
    "init": "agentarmy_ops.cli.init:init",
    "tenant": "agentarmy_ops.cli.tenant:tenant",
    "backup": "agentarmy_ops.cli.backup:backup",
    "backups": "agentarmy_ops.cli.backups:backups",
    "verify": "agentarmy_ops.cli.verify:verify",
    "restore": "agentarmy_ops.cli.restore:restore",
    "diff": "agentarmy_ops.cli.diff:diff",
    "prune": "agentarmy_ops.cli.prune:prune",
    "keys": "agentarmy_ops.cli.keys:keys",
    "serve": "agentarmy_ops.cli.serve:serve",
    "daemon": "agentarmy_ops.cli.daemon:daemon",
    "code-server": "agentarmy_ops.cli.code_server:code_server",
    "migrate": "agentarmy_ops.cli.migrate:migrate",
    "healthcheck": "agentarmy_ops.cli.healthcheck:healthcheck",
    "demo": "agentarmy_ops.cli.demo:demo",
    "up": "agentarmy_ops.cli.up:up",
    "down": "agentarmy_ops.cli.stack:down",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way ends as by Ctrl-C, dumps are cancelled."""


class RootGroup(click.Group):
    """Finds commands in :data:`COMMANDS` and turns our errors into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of :data:`COMMANDS`."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OpsError as error:
            click.echo(f"Error: {one_line(str(error))}", err=True)
            raise click.exceptions.Exit(error.exit_code) from error
        except Terminated:
            click.echo("Terminated.", err=True)
            raise click.exceptions.Exit(ExitCode.TERMINATED) from None
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:
            _watch_for_crash()
            raise


def _watch_for_crash() -> None:
    """Let Sentry, where there is one, hear of the error that is about to end this process. Not
    earlier: most commands never need it, and it takes a quarter of a second."""
    from agentarmy_ops.observability.sentry import start_sentry  # noqa: PLC0415
    from agentarmy_ops.settings import load_settings  # noqa: PLC0415

    with suppress(OpsError):
        start_sentry(load_settings(), "cli")


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  agentarmy-ops doctor
  agentarmy-ops tenant provision acme --name "Acme" --admin-email admin@acme.example
  agentarmy-ops backup --all
  agentarmy-ops verify --all

Settings are environment variables (and .env in the working directory); with none set, everything
runs on embedded servers below ./.agentarmy. Exit codes: 0 ok, 1 failure, 2 usage or settings,
3 not found, 4 busy, 5 a backup is bad, 6 no verdict, 9 differences. More in docs/cli.md.""",
)
@click.version_option(__version__, prog_name="agentarmy-ops")
def cli() -> None:
    """Provision tenants, back them up, and prove that the backups restore.

    Each tenant is a schema of the application's PostgreSQL database and a row of shared.tenants.
    """


def main() -> None:
    """The entry point."""
    # First of all: the first process of a container gets no signal that it does not handle.
    signal.signal(signal.SIGTERM, _terminate)
    cli(prog_name="agentarmy-ops")


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    # One is enough; another would interrupt what cleans up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
