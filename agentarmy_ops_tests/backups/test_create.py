"""A backup is complete, or it is not there; and its archive can be read without us."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zstandard
from psycopg import sql

from agentarmy_ops.archive.describe import describe
from agentarmy_ops.backups import pipeline
from agentarmy_ops.backups.catalog import latest_backup, list_backups, load_manifest
from agentarmy_ops.backups.create import back_up_platform, back_up_tenants
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import Manifest, read_manifest
from agentarmy_ops.backups.pipeline import open_archive
from agentarmy_ops.backups.snapshot import open_snapshot
from agentarmy_ops.errors import (
    BackupError,
    BackupNotFoundError,
    BackupRefusedError,
    ClientToolError,
    OpsError,
    StoreError,
    TenantBusyError,
)
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.backups.watched import DuringDump, WatchedStore
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_backups import Backups, Lab, NewLab


def _objects(lab: Lab) -> list[str]:
    return [item.name for item in lab.store.list("")]


def _partial_files(lab: Lab) -> list[Path]:
    return [path for path in lab.root.glob(".partial/*") if path.is_file()]


def _error(lab: Lab, *, store: Store | None = None, **changes: Any) -> OpsError:
    """Why acme's backup was not made; nothing of it is left."""
    source = lab.source(**changes)
    (outcome,) = back_up_tenants(source, store or lab.store, [lab.tenants["acme"]])
    assert outcome.manifest is None
    assert outcome.error is not None
    assert _objects(lab) == []
    assert _partial_files(lab) == []
    return outcome.error


def test_a_manifest_says_all_there_is_to_say(good_backups: Backups) -> None:
    lab, manifest = good_backups.lab, good_backups.manifests["acme"]
    tenant = lab.tenants["acme"]
    assert manifest.tenant is not None
    assert manifest.tenant.model_dump() == {
        "id": tenant.id,
        "slug": "acme",
        "name": "Acme",
        "schema_name": "tenant_acme",
    }
    assert manifest.ref.archive == manifest.archive.object_name
    assert manifest.archive.stored_bytes == good_backups.path(manifest.ref.archive).stat().st_size
    assert manifest.archive.plain_bytes > manifest.archive.stored_bytes > 0
    assert manifest.archive.ratio > 1
    assert manifest.fingerprint.rows == 420
    assert {(t.table, t.rows) for t in manifest.fingerprint.tables} == {
        ("notes", 400),
        ("users", 20),
    }
    assert [(t.table, t.enabled, t.forced, t.policies) for t in manifest.row_level_security] == [
        ("notes", True, True, ("tenant_isolation",)),
        ("users", True, True, ("tenant_isolation",)),
    ]
    assert manifest.started_at <= manifest.finished_at
    assert manifest.snapshot.taken_at <= manifest.started_at
    assert manifest.snapshot.server_major == lab.tools.major
    assert manifest.snapshot.tool_version == lab.tools.version
    assert manifest.snapshot.database == lab.database.params["dbname"]
    assert [role.name for role in manifest.needs.roles] == ["agentarmy_owner"]
    assert {str(item) for item in manifest.needs.outside_objects} == {
        "table shared.plans",
        "index shared.plans_pkey",
    }
    assert (manifest.needs.extensions, manifest.left_out, manifest.not_valid) == ((), (), ())


def test_a_manifest_reads_back_as_it_was_written(good_backups: Backups) -> None:
    for slug in ("acme", None):
        manifest = good_backups.manifests[slug]
        assert read_manifest(manifest.ref, manifest.encode()) == manifest
        assert load_manifest(good_backups.lab.store, manifest.ref) == manifest
        assert json.loads(manifest.encode())["backup_id"] == manifest.backup_id


def test_each_tenant_of_a_batch_is_shown_at_the_same_moment(lab: Lab) -> None:
    lab.add_small_tenant("globex")
    outcomes = back_up_tenants(lab.source(), lab.store, list(lab.tenants.values()), run_id="run-7")
    manifests = [outcome.manifest for outcome in outcomes if outcome.manifest]
    assert len(manifests) == 2
    assert len({(m.snapshot.taken_at, m.snapshot.lsn) for m in manifests}) == 1
    assert {m.run_id for m in manifests} == {"run-7"}


def test_extensions_roles_and_outside_objects_a_restore_needs_are_listed(vector_lab: Lab) -> None:
    lab = vector_lab
    lab.run("CREATE EXTENSION vector WITH SCHEMA public")
    lab.run(
        "CREATE TABLE embeddings (vector public.vector(3));"
        "CREATE SEQUENCE numbers; GRANT USAGE ON SEQUENCE numbers TO agentarmy_backup;"
        "CREATE POLICY reading ON users FOR SELECT TO pg_monitor USING (true)",
        "acme",
    )
    needs = lab.back_up("acme").needs
    assert needs.extensions == ("vector",)
    assert {(role.name, role.bypasses_rls) for role in needs.roles} >= {
        ("agentarmy_owner", False),
        ("agentarmy_backup", True),
        ("postgres", True),
    }


def test_a_schema_that_belongs_to_no_tenant_is_named_in_the_platform_manifest(lab: Lab) -> None:
    lab.run("CREATE SCHEMA tenant_forgotten")
    assert {str(item) for item in lab.back_up_platform().left_out} == {"schema tenant_forgotten"}


def test_a_platform_whose_own_tables_refer_to_large_objects_is_refused(lab: Lab) -> None:
    lab.run("CREATE TABLE shared.logos (image oid); INSERT INTO shared.logos VALUES (lo_create(0))")
    with pytest.raises(BackupRefusedError, match=r"logos\.image refers to 1 large objects"):
        lab.back_up_platform()
    assert _objects(lab) == []


def test_the_manifest_is_written_when_the_archive_is_there(lab: Lab) -> None:
    complete: dict[str, list[str]] = {}
    store = WatchedStore(lab.store, lambda name: complete.update({name: _objects(lab)}))
    (outcome,) = back_up_tenants(lab.source(), store, [lab.tenants["acme"]])
    assert outcome.manifest is not None
    ref = outcome.manifest.ref
    assert complete == {ref.archive: [], ref.manifest: [ref.archive]}


def test_without_its_manifest_it_is_no_backup_and_the_next_run_makes_one(lab: Lab) -> None:
    def fail_at_manifest(name: str) -> None:
        if name.endswith("manifest.json"):
            raise StoreError("the disk is full")

    store = WatchedStore(lab.store, fail_at_manifest)
    (outcome,) = back_up_tenants(lab.source(), store, [lab.tenants["acme"]])
    assert str(outcome.error) == "the disk is full"
    assert list_backups(lab.store, "acme") == []
    with pytest.raises(BackupNotFoundError):
        latest_backup(lab.store, "acme")

    manifest = lab.back_up("acme")
    assert [entry.ref for entry in list_backups(lab.store, "acme")] == [manifest.ref]


def _decompress(stored: Path, plain: Path) -> None:
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", "-d", str(stored), "-o", str(plain)], check=True)
        return
    with stored.open("rb") as source, plain.open("wb") as target:
        zstandard.ZstdDecompressor().copy_stream(source, target)


def _rows(database: ConnInfo, table: str) -> int:
    with database.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_the_archives_are_restored_by_zstd_and_pg_restore_alone(
    good_backups: Backups, new_database: Callable[[ConnInfo], ConnInfo], tmp_path: Path
) -> None:
    lab = good_backups.lab
    database = new_database(lab.scratch_server)
    for slug in (None, "acme"):
        manifest = good_backups.manifests[slug]
        plain = tmp_path / f"{slug}.dump"
        _decompress(good_backups.path(manifest.ref.archive), plain)
        assert plain.stat().st_size == manifest.archive.plain_bytes
        subprocess.run(
            [
                lab.tools.program("pg_restore"),
                "--no-owner",
                "--no-privileges",
                "--exit-on-error",
                f"--dbname={program_dsn(database)}",
                str(plain),
            ],
            check=True,
        )
    assert _rows(database, "tenant_acme.notes") == 400
    assert _rows(database, "shared.tenants") == 2


def test_a_role_that_cannot_see_all_rows_is_refused(lab: Lab) -> None:
    as_owner = lab.database.with_params(user="agentarmy_owner")
    with pytest.raises(BackupRefusedError, match="agentarmy_owner cannot see all rows"):
        list(back_up_tenants(lab.source(conninfo=as_owner), lab.store, [lab.tenants["acme"]]))
    with pytest.raises(BackupRefusedError, match="agentarmy_owner cannot see all rows"):
        back_up_platform(lab.source(conninfo=as_owner), lab.store)
    assert _objects(lab) == []


def test_a_tenant_without_its_schema_does_not_stop_the_others(lab: Lab) -> None:
    lab.register("bare")
    lab.add_small_tenant("globex")
    outcomes = {
        outcome.tenant.slug: outcome
        for outcome in back_up_tenants(
            lab.source(), lab.store, [lab.tenants[slug] for slug in ("acme", "bare", "globex")]
        )
    }
    assert sorted(outcomes) == ["acme", "bare", "globex"]
    assert str(outcomes["bare"].error).startswith("tenant bare has no schema tenant_bare; ")
    assert isinstance(outcomes["bare"].error, BackupError)
    assert {slug for slug, o in outcomes.items() if o.manifest} == {"acme", "globex"}
    assert list_backups(lab.store, "bare") == []


def test_a_table_locked_by_another_session_fails_that_tenant_in_time(lab: Lab) -> None:
    lab.add_small_tenant("globex")
    with lab.database.connect() as other:
        other.execute("LOCK TABLE tenant_acme.notes IN ACCESS EXCLUSIVE MODE")
        outcomes = {
            outcome.tenant.slug: outcome
            for outcome in back_up_tenants(
                lab.source(lock_timeout_seconds=1), lab.store, list(lab.tenants.values())
            )
        }
    assert isinstance(outcomes["acme"].error, ClientToolError)
    assert "another session kept a table locked for all of 1 s" in str(outcomes["acme"].error)
    assert outcomes["globex"].manifest is not None
    assert list_backups(lab.store, "acme") == []


def test_a_locked_table_that_may_hold_large_objects_fails_that_tenant_only(lab: Lab) -> None:
    lab.run("CREATE TABLE files (content oid)", "acme")
    lab.run("SELECT lo_create(0)")
    lab.add_small_tenant("globex")
    with lab.database.connect() as other:
        other.execute("LOCK TABLE tenant_acme.files IN ACCESS EXCLUSIVE MODE")
        outcomes = {
            outcome.tenant.slug: outcome
            for outcome in back_up_tenants(
                lab.source(lock_timeout_seconds=1), lab.store, list(lab.tenants.values())
            )
        }
    assert "another session keeps its table files locked" in str(outcomes["acme"].error)
    assert outcomes["globex"].manifest is not None


def test_a_tenant_that_another_operation_works_on_is_busy(lab: Lab) -> None:
    with (
        lab.database.connect(autocommit=True, application_name="a restore") as other,
        tenant_lock(other, "acme", timeout_seconds=1),
    ):
        error = _error(lab, lock_timeout_seconds=1)
    assert isinstance(error, TenantBusyError)
    assert "a restore" in str(error)


def test_the_tenant_is_locked_while_it_is_backed_up_and_free_afterwards(lab: Lab) -> None:
    busy: list[str] = []

    def try_lock(name: str) -> None:
        with (
            lab.database.connect(autocommit=True) as other,
            pytest.raises(TenantBusyError),
            tenant_lock(other, "acme", timeout_seconds=0.01),
        ):
            pass
        busy.append(name.rsplit("/", 1)[-1])

    store = WatchedStore(lab.store, try_lock)
    for outcome in back_up_tenants(lab.source(), store, [lab.tenants["acme"]]):
        assert outcome.manifest is not None
        with (
            lab.database.connect(autocommit=True) as other,
            tenant_lock(other, "acme", timeout_seconds=0.01),
        ):
            pass
    assert busy == ["archive.dump.zst", "manifest.json"]


def _pg_dumps() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.name() == "pg_dump"]


@pytest.fixture
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive's object is begun with its first bytes, while pg_dump still runs."""
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)


MUCH = (
    "INSERT INTO notes (author, body, tenant_id)"
    " SELECT 1, repeat(md5(i::text), 40), tenant_id"
    " FROM generate_series(1, 6000) AS i, users WHERE users.id = 1"
)


@pytest.mark.usefixtures("nothing_held")
def test_a_dump_that_is_killed_leaves_nothing(lab: Lab) -> None:
    lab.run(MUCH, "acme")

    def kill() -> None:
        (pg_dump,) = _pg_dumps()
        pg_dump.kill()
        pg_dump.wait()

    error = _error(lab, store=DuringDump(lab.store, kill))
    assert "cut short" in str(error) or "pg_dump" in str(error)
    assert lab.back_up("acme").fingerprint.rows == 6420


@pytest.mark.usefixtures("nothing_held")
def test_a_server_that_ends_the_dump_leaves_nothing(lab: Lab) -> None:
    lab.run(MUCH, "acme")

    def terminate() -> None:
        with lab.database.connect(autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'pg_dump' AND datname = current_database()"
            ).fetchall()
        assert ended == [(True,)]

    error = _error(lab, store=DuringDump(lab.store, terminate))
    assert isinstance(error, ClientToolError)


@pytest.mark.usefixtures("nothing_held")
def test_a_store_that_fails_fails_the_tenant(lab: Lab) -> None:
    lab.run(MUCH, "acme")

    def fail() -> None:
        raise StoreError("the disk is full")

    assert str(_error(lab, store=DuringDump(lab.store, fail))) == "the disk is full"
    assert _pg_dumps() == []


@pytest.mark.usefixtures("nothing_held")
def test_an_interrupt_stops_the_dump(lab: Lab) -> None:
    lab.run(MUCH, "acme")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _error(lab, store=DuringDump(lab.store, interrupt))
    assert _pg_dumps() == []
    assert (_objects(lab), _partial_files(lab)) == ([], [])


def test_rows_written_after_the_snapshot_are_not_in_the_backup(lab: Lab) -> None:
    batch = back_up_tenants(
        lab.source(),
        WatchedStore(
            lab.store,
            lambda name: lab.run("DELETE FROM notes", "acme") if name.endswith(".zst") else None,
        ),
        [lab.tenants["acme"]],
    )
    (outcome,) = batch
    assert outcome.manifest is not None
    assert outcome.manifest.fingerprint.rows == 420
    assert _rows(lab.database, "tenant_acme.notes") == 0
    facts = outcome.manifest.archive
    with open_archive(lab.store, facts, Keys(), lambda _: None) as (archive, _):
        assert describe(archive).fingerprint == outcome.manifest.fingerprint


@pytest.mark.parametrize(
    "setting",
    ["idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout"],
)
def test_timeouts_meant_for_the_application_do_not_end_a_backup(
    new_lab: NewLab, setting: str
) -> None:
    lab = new_lab(18)  # 16 has no transaction_timeout
    lab.add_small_tenant("acme")
    lab.add_small_tenant("globex")
    lab.run(MUCH, "acme")  # takes longer than the timeout
    name = lab.database.params["dbname"]
    lab.run(f"ALTER ROLE agentarmy_backup IN DATABASE {name} SET {setting} = '50ms'")
    outcomes = list(back_up_tenants(lab.source(), lab.store, list(lab.tenants.values())))
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_a_long_query_of_the_catalogue_is_not_cut_off(lab: Lab) -> None:
    name = lab.database.params["dbname"]
    lab.run(f"ALTER ROLE agentarmy_backup IN DATABASE {name} SET statement_timeout = '10s'")
    with open_snapshot(lab.source().conninfo) as snapshot:
        assert snapshot.connection.execute("SHOW statement_timeout").fetchone() == ("0",)


@pytest.mark.usefixtures("nothing_held")
def test_the_dump_outlives_the_session_that_took_its_snapshot(lab: Lab) -> None:
    """pg_dump has imported the snapshot, and keeps it."""
    lab.run(MUCH, "acme")

    def end_snapshot() -> None:
        lab.run("DELETE FROM notes", "globex")
        with lab.database.connect(autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction'"
                " AND application_name = 'agentarmy_ops'"
            ).fetchall()
        ends.append(ended == [(True,)])

    ends: list[bool] = []
    lab.add_small_tenant("globex")
    outcomes = list(
        back_up_tenants(
            lab.source(), DuringDump(lab.store, end_snapshot), list(lab.tenants.values())
        )
    )
    rows = {o.tenant.slug: o.manifest.fingerprint.rows for o in outcomes if o.manifest}
    assert rows == {"acme": 6420, "globex": 420}
    assert ends[0]


SECRET = "pa ss:wo\\rd'\"@/?#%ü"


@pytest.fixture
def role_with_password(lab: Lab) -> Iterator[str]:
    """A role that may back up, and whose password is SECRET, where the server asks for one."""
    name = f"backup_of_{lab.database.params['dbname']}"
    role = sql.Identifier(name)
    create = "CREATE ROLE {} LOGIN BYPASSRLS IN ROLE pg_read_all_data PASSWORD {}"
    with lab.database.connect(autocommit=True) as connection:
        connection.execute(sql.SQL(create).format(role, SECRET))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.mark.usefixtures("nothing_held")
def test_the_password_is_seen_by_nobody(lab: Lab, role_with_password: str, tmp_path: Path) -> None:
    lab.run(MUCH, "acme")
    conninfo = ConnInfo({**lab.database.params, "user": role_with_password}, SECRET)
    seen: list[tuple[list[str], dict[str, str], int]] = []
    passfiles: list[Path] = []

    def look() -> None:
        (pg_dump,) = _pg_dumps()
        (dsn,) = (part for part in pg_dump.cmdline() if part.startswith("--dbname="))
        path = Path(dsn.split("passfile=")[1].split()[0].strip("'"))
        passfiles.append(path)
        assert SECRET.replace("\\", "\\\\").replace(":", "\\:") in path.read_text("utf-8")
        seen.append((pg_dump.cmdline(), pg_dump.environ(), path.stat().st_mode & 0o777))
        assert path.parent.stat().st_mode & 0o777 == 0o700

    store = DuringDump(lab.store, look)
    (outcome,) = back_up_tenants(lab.source(conninfo=conninfo), store, [lab.tenants["acme"]])
    assert outcome.manifest is not None
    (argv, environment, mode) = seen[0]
    assert mode == 0o600
    # Any part of it long enough to tell would be too much.
    for shown in (*argv, *environment.values(), *os.environ.values()):
        assert SECRET not in shown
        assert "wo\\rd" not in shown
    assert not passfiles[0].exists()
    assert not passfiles[0].parent.exists()
    assert SECRET not in repr(lab.source(conninfo=conninfo))


def test_no_message_shows_the_password(lab: Lab, tmp_path: Path) -> None:
    nowhere = ConnInfo({"host": str(tmp_path), "user": "x", "dbname": "y"}, SECRET)
    with pytest.raises(OpsError) as caught:
        list(back_up_tenants(lab.source(conninfo=nowhere), lab.store, [lab.tenants["acme"]]))
    assert SECRET not in repr(caught.value)
    assert SECRET not in str(caught.getrepr(style="long"))


def test_a_manifest_that_lies_about_its_version_is_not_read(good_backups: Backups) -> None:
    manifest: Manifest = good_backups.manifests["acme"]
    data = manifest.encode().replace(b'"format_version": 1', b'"format_version": 2')
    with pytest.raises(OpsError, match="format_version"):
        read_manifest(manifest.ref, data)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('exec {pg_dump} --exclude-table-data="*.notes" "$@"', "left out the rows of notes"),
        ('{pg_dump} "$@"; echo "pg_dump: error: too late" >&2; exit 1', "pg_dump: too late"),
        ('{pg_dump} "$@" | head -c 9000', "cut short"),
        ('{pg_dump} "$@"; kill -9 $$', "pg_dump: exit code -9"),
        ("exit 0", "cut short"),
        ("echo 'not an archive'", "does not begin with PGDMP"),
    ],
)
def test_a_pg_dump_that_does_not_do_its_work_is_noticed(
    lab: Lab, tmp_path: Path, script: str, reason: str
) -> None:
    body = script.format(pg_dump=lab.tools.program("pg_dump"))
    says = f"pg_dump (PostgreSQL) {lab.tools.major}.999"
    version = f'if [ "$1" = --version ]; then echo "{says}"; exit; fi'
    for name in ("pg_dump", "pg_restore"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{version}\n{body}\n")
        path.chmod(0o755)
    assert reason in str(_error(lab, bin_dirs=(tmp_path,)))
