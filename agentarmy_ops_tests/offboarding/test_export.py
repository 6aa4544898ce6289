"""The bundle a customer takes along, read with other programs than ours."""

import csv
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentarmy_ops.errors import InvalidInputError, OffboardingError, OpsError, TenantNotFoundError
from agentarmy_ops.offboarding import export
from agentarmy_ops.offboarding.export import export_tenant
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_backups import Backups, Lab


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "acme"


@pytest.fixture(autouse=True)
def _parent(target: Path) -> None:
    target.parent.mkdir()


def _modes(folder: Path) -> set[tuple[bool, str]]:
    return {
        (path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode)))
        for path in (folder, *folder.rglob("*"))
    }


def test_all_rows_are_there_in_files_that_only_we_can_read(
    good_backups: Backups, target: Path
) -> None:
    lab = good_backups.lab
    before = os.umask(0)
    try:
        exported = export_tenant(lab.source(), lab.tenants["acme"], target)
    finally:
        os.umask(before)
    assert exported.files == (
        "README.txt",
        "SHA256SUMS",
        "tables/notes.csv",
        "tables/users.csv",
        "tenant.sql",
    )
    assert exported.tables == 2
    assert exported.folder == target
    sums = (target / "SHA256SUMS").stat().st_size
    files = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    assert exported.bytes == files - sums
    assert _modes(target) == {(True, "0o700"), (False, "0o600")}
    with (target / "tables/notes.csv").open(newline="") as file:
        notes = list(csv.DictReader(file))
    assert len(notes) == 400
    assert notes[0]["body"].startswith("note 1: ")
    assert notes[0]["tenant_id"] == str(lab.tenants["acme"].id)
    assert "Data of Acme (acme) as of 20" in (target / "README.txt").read_text()
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=target,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count(": OK") == 4
    assert [path.name for path in target.parent.iterdir()] == ["acme"]


def test_psql_reads_the_sql(
    good_backups: Backups,
    target: Path,
    new_database: Callable[[ConnInfo], ConnInfo],
    live_server: ConnInfo,
) -> None:
    lab = good_backups.lab
    export_tenant(lab.source(), lab.tenants["acme"], target)
    elsewhere = new_database(live_server)
    with elsewhere.connect() as connection:
        connection.execute("CREATE SCHEMA shared; CREATE TABLE shared.plans (id int PRIMARY KEY)")
        connection.execute("INSERT INTO shared.plans VALUES (1), (2)")
    subprocess.run(
        [
            lab.tools.program("psql"),
            program_dsn(elsewhere),
            "-qXf",
            target / "tenant.sql",
            "-v",
            "ON_ERROR_STOP=1",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with elsewhere.connect() as connection:
        row = connection.execute("SELECT count(*) FROM tenant_acme.notes").fetchone()
    assert row == (400,)
    text = (target / "tenant.sql").read_text()
    assert "OWNER TO" not in text
    assert "globex" not in text


@pytest.mark.parametrize("major", [16, 18])
def test_names_and_values_of_any_kind(
    hard_labs: Callable[[int], Lab], target: Path, major: int
) -> None:
    lab = hard_labs(major)
    tenant = lab.add_hard_tenant(f"exported-{major}")
    exported = export_tenant(lab.source(), tenant, target)
    with lab.database.connect() as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
            [tenant.schema_name],
        ).fetchone()
    assert tables == (exported.tables,)
    names = [path.name for path in (target / "tables").iterdir()]
    assert len(names) == exported.tables
    assert all("/" not in name and name.isprintable() for name in names)
    assert any("%" in name for name in names)


def test_without_sql(good_backups: Backups, target: Path) -> None:
    lab = good_backups.lab
    exported = export_tenant(lab.source(), lab.tenants["acme"], target, with_sql=False)
    assert "tenant.sql" not in exported.files
    assert "psql" not in (target / "README.txt").read_text()


def test_all_of_one_moment(lab: Lab, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed after the first table was read is in neither the files nor the SQL."""
    written = export._private

    def private(path: Path):  # type: ignore[no-untyped-def]
        if path.name == "notes.csv":
            lab.run(
                "INSERT INTO users SELECT 99, 'late@x', 1, tenant_id FROM users LIMIT 1", "acme"
            )
        return written(path)

    monkeypatch.setattr(export, "_private", private)
    export_tenant(lab.source(), lab.tenants["acme"], target)
    assert "late@x" not in (target / "tables/users.csv").read_text()
    assert "late@x" not in (target / "tenant.sql").read_text()


def test_a_table_rewritten_meanwhile_is_an_error(
    lab: Lab, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a snapshot that is older, a truncated table is empty."""
    written = export._private

    def private(path: Path):  # type: ignore[no-untyped-def]
        if path.name == "notes.csv":
            lab.run("TRUNCATE notes", "acme")
        return written(path)

    monkeypatch.setattr(export, "_private", private)
    with pytest.raises(OpsError, match="table notes was truncated, rewritten or dropped"):
        export_tenant(lab.source(), lab.tenants["acme"], target)
    assert list(target.parent.iterdir()) == []


def _file(target: Path) -> None:
    target.write_text("mine")


def _full(target: Path) -> None:
    target.mkdir()
    (target / "mine").touch()


def _link(target: Path) -> None:
    (target.parent / "other").mkdir()
    target.symlink_to(target.parent / "other")


@pytest.mark.parametrize("taken", [_file, _full, _link])
def test_what_is_there_is_left_alone(
    good_backups: Backups, target: Path, taken: Callable[[Path], None]
) -> None:
    taken(target)
    before = sorted(target.parent.rglob("*"))
    lab = good_backups.lab
    with pytest.raises(InvalidInputError, match="is there already; name a new folder"):
        export_tenant(lab.source(), lab.tenants["acme"], target)
    assert sorted(target.parent.rglob("*")) == before


def test_an_empty_folder_is_used(good_backups: Backups, target: Path) -> None:
    target.mkdir(mode=0o755)
    lab = good_backups.lab
    export_tenant(lab.source(), lab.tenants["acme"], target, with_sql=False)
    assert _modes(target) == {(True, "0o700"), (False, "0o600")}


def test_no_folder_to_make_it_in(good_backups: Backups, target: Path) -> None:
    lab = good_backups.lab
    with pytest.raises(InvalidInputError, match="there is no folder"):
        export_tenant(lab.source(), lab.tenants["acme"], target / "deeper")


def test_a_failure_leaves_nothing(
    good_backups: Backups, target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lab = good_backups.lab
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (tools / name).write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && exec {lab.tools.program(name)} --version\n'
            "echo half; echo 'pg_dump: error: no more' >&2; exit 1\n"
        )
        (tools / name).chmod(0o700)
    with pytest.raises(OpsError, match="pg_dump: no more"):
        export_tenant(lab.source(bin_dirs=(tools,)), lab.tenants["acme"], target)
    assert list(target.parent.iterdir()) == []

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "fsync_folder", full)
    with pytest.raises(OffboardingError, match="No space left on device; free some space there"):
        export_tenant(lab.source(), lab.tenants["acme"], target, with_sql=False)
    assert list(target.parent.iterdir()) == []


def test_a_tenant_without_schema(good_backups: Backups, target: Path) -> None:
    lab = good_backups.lab
    nobody = replace(lab.tenants["acme"], slug="nobody", schema_name="tenant_nobody")
    with pytest.raises(TenantNotFoundError, match="tenant nobody has no schema tenant_nobody"):
        export_tenant(lab.source(), nobody, target)
    assert list(target.parent.iterdir()) == []
