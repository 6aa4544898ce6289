"""What the page offers to copy is what the command line takes."""

import shlex

import click
import pytest

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.cli.app import cli
from agentarmy_ops.observability.fleet.model import State, TenantOverview
from agentarmy_ops.web.fleet.commands import commands
from agentarmy_ops_tests.web.fleet.invented import nights, platform, tenant

PROVEN = tenant("skyvera-eu", nights([9, 9], verdicts=[Status.VERIFIED]))
UNPROVEN = tenant("skyvera-eu", nights([9]))
NEW = tenant("skyvera-eu")


def lines(of: TenantOverview, **changes: State) -> list[str]:
    found = TenantOverview(**{**{n: getattr(of, n) for n in of.__slots__}, **changes})
    return [command.line for command in commands(found)]


def parse(line: str) -> click.Context:
    """As the command line does, up to where it would begin to work."""
    program, *words = shlex.split(line)
    assert program == "agentarmy-ops"
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found
        command = found
    return command.make_context(line, words)


@pytest.mark.parametrize(
    "of", [PROVEN, UNPROVEN, NEW, platform(), platform(history=(), proof=None)]
)
@pytest.mark.parametrize("state", State)
def test_every_line_is_a_command(of: TenantOverview, state: State) -> None:
    for line in lines(of, state=state):
        parse(line)


def test_a_tenant_that_is_proven() -> None:
    assert PROVEN.proof
    assert lines(PROVEN) == [
        "agentarmy-ops restore skyvera-eu --dry-run",
        "agentarmy-ops diff skyvera-eu",
        "agentarmy-ops backups list skyvera-eu",
        "agentarmy-ops verify --tenant skyvera-eu",
        "agentarmy-ops backup --tenant skyvera-eu",
        "agentarmy-ops tenant export skyvera-eu --to skyvera-eu-export",
        f"agentarmy-ops restore skyvera-eu --backup {PROVEN.proof.backup_id}",
        "agentarmy-ops restore skyvera-eu --undo",
    ]
    assert PROVEN.proof.backup_id == PROVEN.history[0].backup_id


def test_what_makes_no_sense_is_not_offered() -> None:
    """A restore without a verified backup, a look at a schema that is not there."""
    assert not any(" restore " in line for line in lines(UNPROVEN) if "--undo" not in line)
    assert lines(NEW)[0] == "agentarmy-ops backup --tenant skyvera-eu"
    for state in (State.MISSING, State.UNREGISTERED):
        assert [line.split()[1] for line in lines(PROVEN, state=state)] == [
            "restore",
            "backups",
            "verify",
            "restore",
        ]


def test_the_platform_part_has_commands_of_its_own() -> None:
    found = lines(platform())
    assert all("--platform" in line for line in found)
    assert [line.split()[1] for line in found] == [
        "backups",
        "backups",
        "verify",
        "backup",
        "restore",
    ]
    assert lines(platform(history=(), proof=None)) == ["agentarmy-ops backup --platform"]
