"""Dagster's storage, brought to this version's schema."""

import click

from agentarmy_ops.cli.output import json_option, print_json
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime

# Long enough for a database that is woken up, short enough for a job that somebody watches.
_CONNECT_SECONDS = 30


@click.command(
    short_help="Bring Dagster's storage to this version's schema.",
    epilog="""\b
Examples:
  agentarmy-ops migrate
  agentarmy-ops migrate --json | jq -r .after

Runs again without harm: what is up to date stays as it is. It never touches the application's
database, tenants or backups. Before a new version's gateway and daemon start: docs/upgrade.md.""",
)
@json_option
def migrate(as_json: bool) -> None:
    """Make the tables of Dagster's storage (DAGSTER_DATABASE_URL), or bring them to the schema of
    this version."""
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.orchestration.local_runs import dagster_home  # noqa: PLC0415
    from agentarmy_ops.orchestration.migration import migrate_storage  # noqa: PLC0415

    dagster_home()
    storage = ConnInfo.parse(Runtime().dagster_url, name="DAGSTER_DATABASE_URL")
    done = migrate_storage(storage.given_up_after(_CONNECT_SECONDS))
    if as_json:
        print_json({"before": done.before, "after": done.after})
    elif done.before is None:
        click.echo(f"Dagster's storage is new, at revision {done.after}")
    elif done.before == done.after:
        click.echo(f"Dagster's storage is at revision {done.after} already; nothing was done")
    else:
        click.echo(f"Dagster's storage went from revision {done.before} to {done.after}")
