"""``tenant offboard`` and ``tenant export``."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops.errors import ObjectHeldError
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.cli.conftest import Cli
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision


@pytest.fixture
def acme(provision: Provision, environment: Callable[..., None]) -> None:
    """Tenants acme and globex; nothing cools off for long."""
    provision("acme")
    provision("globex")
    environment(OFFBOARDING_COOLING_OFF_DAYS=30)


@pytest.mark.usefixtures("acme")
def test_from_the_request_to_the_certificate(
    cli: Cli, home: Path, tmp_path: Path, app_database: AppDatabase
) -> None:
    bundle = tmp_path / "bundle"
    asked = cli("tenant", "offboard", "acme", "--export", str(bundle), "--yes", "--json")
    assert asked.code == 0, asked.stderr
    request = asked.json["request"]
    assert (request["slug"], request["was_active"]) == ("acme", True)
    assert request["backups_mode"] == "keep"
    assert "acme: verify the backup" in asked.stderr
    assert asked.json["export"]["folder"] == str(bundle)
    assert (bundle / "tables" / "users.csv").is_file()
    assert (bundle / "tenant.sql").is_file()

    assert '"is_active": false' in cli("tenant", "list", "--json").stdout
    listed = cli("tenant", "offboard", "--list", "--json").json["offboardings"]
    assert [(one["state"], one["certificate"]) for one in listed] == [("pending", None)]
    assert listed[0]["request"] == request
    assert "pending" in cli("tenant", "offboard", "--list").stdout
    assert cli("tenant", "offboard", "globex", "--list", "--json").json == {"offboardings": []}
    # A tenant that is disabled is backed up as before.
    assert cli("backup", "--tenant", "acme", "--no-platform").code == 0

    early = cli("tenant", "offboard", "acme", "--erase", "--yes")
    assert early.code == 8
    assert early.stderr.splitlines()[-1].startswith("Error: tenant acme cools off until 20")

    erased = cli(
        "tenant", "offboard", "acme", "--erase", "--now", "--backups", "delete", "--yes", "--json"
    )
    assert erased.code == 0, erased.stderr
    assert erased.json["certificate"]["schemas"] == ["tenant_acme"]
    store = LocalStore(home / "backups")
    assert store.read(erased.json["object"])
    assert list(store.list("tenants/acme/")) == []
    (one,) = cli("tenant", "offboard", "--list", "--json").json["offboardings"]
    assert (one["state"], one["certificate"]) == ("erased", erased.json["object"])
    again = cli("tenant", "offboard", "acme", "--erase", "--yes")
    assert again.code == 0
    for shown in (
        "tenant_acme",
        "1 of 6 tables",
        "acme-backup-key",
        "2 deleted",
        erased.json["object"],
    ):
        assert shown in " ".join(again.stdout.split()), shown
    assert cli("tenant", "show", "acme").code == 3
    checked = cli("backups", "check", "--all", "--json")
    assert checked.code == 0
    assert checked.json["problems"] == []


@pytest.mark.usefixtures("acme")
def test_taken_back(cli: Cli) -> None:
    asked = cli("tenant", "offboard", "acme", "--yes")
    assert asked.code == 0, asked.stderr
    assert asked.stdout.startswith("tenant acme is disabled, its backup 20")
    assert "its backups: keep" in asked.stdout
    cancelled = cli("tenant", "offboard", "acme", "--cancel", "--yes")
    assert cancelled.stdout == "tenant acme is active again; it is not going to be erased\n"
    assert cli("tenant", "offboard", "acme", "--yes").code == 0
    cancelled = cli("tenant", "offboard", "acme", "--cancel", "--yes", "--json")
    assert cancelled.json["cancellation"]["is_active"] is True


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("flags", [(), ("--cancel",), ("--erase",), ("--export", "x")])
def test_without_a_terminal_and_without_yes_nothing_is_done(
    cli: Cli, home: Path, flags: tuple[str, ...]
) -> None:
    refused = cli("tenant", "offboard", "acme", *flags)
    assert refused.code == 2
    assert "needs a confirmation, and there is no terminal to ask on; give --yes" in refused.stderr
    assert not (home / "backups").exists()
    assert not Path("x").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("acme", "--cancel", "--erase"),
        ("acme", "--list", "--erase"),
        ("acme", "--now"),
        ("acme", "--cancel", "--now"),
        ("acme", "--cancel", "--backups", "keep"),
        ("acme", "--backups", "burn"),
        ("acme", "--erase", "--export", "x"),
        ("--list", "--export", "x"),
        ("Acme",),
    ],
)
def test_options_that_do_not_go_together(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("tenant", "offboard", *arguments, "--yes").code == 2


@pytest.mark.usefixtures("acme")
def test_what_the_store_holds_is_an_exit_code(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("tenant", "offboard", "acme", "--backups", "delete", "--yes").code == 0

    def held(self: LocalStore, name: str) -> None:
        raise ObjectHeldError(f"{name} is held")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "delete", held)
        erased = cli("tenant", "offboard", "acme", "--erase", "--now", "--yes", "--json")
    assert erased.code == 10
    assert "the store holds 3 objects of tenant acme: tenants/acme/" in erased.stderr
    assert erased.json["certificate"]["complete"] is False
    assert cli("tenant", "offboard", "acme", "--erase", "--yes").code == 0


@pytest.mark.usefixtures("acme")
def test_export(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    done = cli("tenant", "export", "acme", "--to", str(folder), "--json")
    assert done.code == 0, done.stderr
    exported = done.json["export"]
    assert exported["folder"] == str(folder)
    assert "tenant.sql" in exported["files"]
    assert exported["tables"] == sum(name.startswith("tables/") for name in exported["files"])
    again = cli("tenant", "export", "acme", "--to", str(folder))
    assert again.code == 2
    assert "is there already" in again.stderr
    plain = cli("tenant", "export", "acme", "--to", str(tmp_path / "csv"), "--no-sql")
    assert plain.stdout.startswith("tenant acme: ")
    assert not (tmp_path / "csv" / "tenant.sql").exists()
    assert cli("tenant", "export", "nobody", "--to", str(tmp_path / "x")).code == 3


@pytest.mark.usefixtures("acme")
def test_killed_again_and_again_it_is_completed(
    cli: Cli, start: Callable[..., "subprocess.Popen[str]"], home: Path
) -> None:
    """Each time it is killed a little further on: as soon as it says that it is there."""
    erase = ("tenant", "offboard", "acme", "--erase", "--now", "--backups", "shred", "--yes")
    assert cli("tenant", "offboard", "acme", "--yes").code == 0
    ended = []
    for step in (Step.COMPARE, Step.PLAN, Step.COMMIT, Step.SECRETS, Step.CERTIFY):
        with start(*erase, stdout=subprocess.DEVNULL) as process:
            assert process.stderr is not None
            for line in process.stderr:
                assert "Error" not in line
                if line == f"acme: {step}\n":
                    process.kill()
        ended.append(process.returncode)
    assert set(ended) <= {-signal.SIGKILL, 0}
    assert -signal.SIGKILL in ended
    erased = cli(*erase, "--json")
    assert erased.code == 0, erased.stderr
    assert erased.json["certificate"]["complete"]
    assert [one["fate"] for one in erased.json["certificate"]["backups"]] == ["shredded"]
    assert cli("tenant", "list", "--json").json["tenants"][0]["slug"] == "globex"
    assert cli("backup", "--tenant", "globex").code == 0
