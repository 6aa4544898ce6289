"""``agentarmy-ops migrate``: Dagster's storage, from nothing and from an older version."""

import json

import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance

from agentarmy_ops.cli.app import cli
from agentarmy_ops.postgres.conninfo import ConnInfo

OLDER = "1aca709bba64"  # of Dagster, before table backfill_tags


def migrate(*options: str) -> Result:
    return CliRunner().invoke(cli, ["migrate", *options], prog_name="agentarmy-ops")


def test_new_then_done_then_from_an_older_version(environment: dict[str, str]) -> None:
    first = migrate()
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("Dagster's storage is new, at revision ")
    newest = first.stdout.split()[-1]
    assert migrate().stdout == (
        f"Dagster's storage is at revision {newest} already; nothing was done\n"
    )
    with ConnInfo.parse(environment["DAGSTER_DATABASE_URL"]).connect(autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [OLDER])
        # What a later revision brings is missing again.
        connection.execute("DROP TABLE backfill_tags")
        assert migrate().stdout == f"Dagster's storage went from revision {OLDER} to {newest}\n"
        assert connection.execute("SELECT FROM backfill_tags").fetchall() == []
    with DagsterInstance.get() as instance:
        assert instance.get_runs() == []


def test_as_json(environment: dict[str, str]) -> None:
    done = json.loads(migrate("--json").stdout)
    assert done["before"] is None
    assert json.loads(migrate("--json").stdout) == {"before": done["after"], "after": done["after"]}


def test_a_database_that_cannot_be_reached_is_one_line(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_DATABASE_URL", "postgresql://d:s3cret@127.0.0.1:1/dagster")
    for command in ("migrate", "daemon"):
        result = CliRunner().invoke(cli, [command], prog_name="agentarmy-ops")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: cannot connect to d@127.0.0.1:1/dagster")
        assert result.stderr.count("\n") == 1
        assert "s3cret" not in result.output
