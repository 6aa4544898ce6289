"""``agentarmy-ops doctor``."""

from dataclasses import asdict

import click

from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.output import json_option, print_json, print_table
from agentarmy_ops.doctor.examination import examine
from agentarmy_ops.doctor.finding import Level, worst
from agentarmy_ops.runtime import Runtime


@click.command(
    short_help="Check that backups can work here.",
    epilog="""\b
Examples:
  agentarmy-ops doctor
  agentarmy-ops doctor --fix
  agentarmy-ops doctor --json | jq '.findings[] | select(.level != "ok")'

Exits with 1 when a check fails; warnings do not count. Without --fix it changes nothing, but starts
the embedded servers if there are to be some. With --fix it removes scratch databases and
half-written files that killed processes left behind, and nothing else.""",
)
@click.option("--fix", is_flag=True, help="Remove what killed processes left behind.")
@json_option
def doctor(fix: bool, as_json: bool) -> None:
    """Check that backups and their proof can work here, and say what to do where not.

    Client tools, the backup role, the registry, the server's locks, the scratch server and its
    extensions, disks, secrets, Redis, Dagster's storage, Sentry, addresses of notifications.
    """
    findings = list(examine(Runtime(), fix=fix))
    level = worst(findings)
    if as_json:
        print_json({"level": level, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(
            ("check", "", "finding", "what to do"),
            ((f.check, f.level, f.message, f.advice) for f in findings),
        )
    if level is Level.FAIL:
        raise click.exceptions.Exit(ExitCode.FAILURE)
