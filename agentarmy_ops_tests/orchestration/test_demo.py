import pytest
from click.testing import CliRunner

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.cli import demo as demo_module
from agentarmy_ops.cli.app import cli
from agentarmy_ops.cli.demo import DemoTenant
from agentarmy_ops.runtime import Runtime

SMALL = (DemoTenant("acme", "Acme Robotics", 400), DemoTenant("globex", "Globex", 200))


@pytest.mark.usefixtures("environment")
def test_the_demo_ends_with_everything_verified_and_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo_module, "TENANTS", SMALL)
    for backups in (1, 2):
        result = CliRunner().invoke(cli, ["demo"])
        assert result.exit_code == 0, result.output
        assert result.stdout.count("verified") == len(SMALL)
        assert "globex: restored, dumped again, compared" in result.stderr
        assert len(list_backups(Runtime().store, "acme")) == backups
    assert "acme: provisioned, 0 sample rows added" in result.stderr  # as they were


@pytest.mark.usefixtures("environment")
def test_the_demo_invents_no_tenants_in_staging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "staging")
    result = CliRunner().invoke(cli, ["demo"])
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: demo invents tenants, so it does not run with ENVIRONMENT=staging\n"
    )


@pytest.mark.usefixtures("environment")
def test_without_a_dagster_yaml_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    result = CliRunner().invoke(cli, ["demo"])
    assert result.exit_code == 2
    assert "has no dagster.yaml; run this in the project's folder" in result.stderr
