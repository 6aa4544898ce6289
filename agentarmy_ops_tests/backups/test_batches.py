"""Many tenants share a dump; what happens to one does not happen to the others."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from agentarmy_ops.backups import pipeline
from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.backups.create import BackupOutcome, back_up_tenants
from agentarmy_ops.errors import ClientToolError, StoreError, TableLockedError, TenantBusyError
from agentarmy_ops.postgres.tools import ClientTools
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.backups.watched import WatchedStore
from agentarmy_ops_tests.databases import program_dsn
from agentarmy_ops_tests.fix_backups import Lab

SLUGS = ("acme", "bravo", "carol", "delta", "echo", "fox", "golf", "hotel")

Outcomes = dict[str, BackupOutcome]
NewPgDump = Callable[[str], Path]


@pytest.fixture
def fleet(lab: Lab) -> Lab:
    """Eight small tenants."""
    for slug in SLUGS[1:]:
        lab.add_small_tenant(slug)
    return lab


@pytest.fixture
def pg_dump(client_tools: ClientTools, tmp_path: Path) -> NewPgDump:
    """Make a folder of client tools whose pg_dump first runs a shell script, in which ``$PSQL``
    is psql and ``$PG_DUMP`` the real one; each run adds a line to ``runs``."""

    def make(script: str) -> Path:
        real = client_tools.bin_dir
        folder = tmp_path / "bin"
        folder.mkdir()
        says = f"pg_dump (PostgreSQL) {client_tools.major}.999"
        version = f'if [ "$1" = --version ]; then echo "{says}"; exit; fi'
        for name, body in {
            "pg_dump": f'echo "$*" >> {folder}/runs\n{script}\nexec $PG_DUMP "$@"\n',
            "pg_restore": "",
        }.items():
            path = folder / name
            path.write_text(
                f"#!/bin/sh\nPSQL={real}/psql\nPG_DUMP={real}/pg_dump\n{version}\n{body}"
            )
            path.chmod(0o755)
        return folder

    return make


def _runs(folder: Path) -> list[str]:
    return (folder / "runs").read_text().splitlines()


def _back_up(lab: Lab, **changes: object) -> Outcomes:
    outcomes = list(
        back_up_tenants(lab.source(**changes), lab.store, [lab.tenants[s] for s in SLUGS])
    )
    assert sorted(outcome.tenant.slug for outcome in outcomes) == sorted(SLUGS)
    for outcome in outcomes:
        stored = list_backups(lab.store, outcome.tenant.slug)
        assert len(stored) == (outcome.manifest is not None)
        assert (outcome.manifest is None) == (outcome.error is not None)
    return {outcome.tenant.slug: outcome for outcome in outcomes}


def _failed(outcomes: Outcomes) -> dict[str, str]:
    return {slug: str(outcome.error) for slug, outcome in outcomes.items() if outcome.error}


def _psql(lab: Lab, statement: str) -> str:
    return (
        f'$PSQL -qAtX -v ON_ERROR_STOP=1 -c "{statement}" "{program_dsn(lab.database)}" >/dev/null'
    )


def test_a_batch_is_one_dump_from_one_snapshot(fleet: Lab, pg_dump: NewPgDump) -> None:
    folder = pg_dump("")
    outcomes = _back_up(fleet, bin_dirs=(folder,))
    assert _failed(outcomes) == {}
    assert len(_runs(folder)) == 1
    manifests = [outcome.manifest for outcome in outcomes.values() if outcome.manifest]
    assert len({(m.snapshot.taken_at, m.snapshot.lsn) for m in manifests}) == 1
    assert {m.fingerprint.rows for m in manifests} == {420}
    assert len({m.backup_id for m in manifests}) == len(SLUGS)


def test_a_tenant_that_pg_dump_dies_of_is_found_by_halves(fleet: Lab, pg_dump: NewPgDump) -> None:
    folder = pg_dump('case "$*" in *tenant_echo*) echo "pg_dump: error: no" >&2; exit 1;; esac')
    outcomes = _back_up(fleet, bin_dirs=(folder,))
    assert _failed(outcomes) == {"echo": "pg_dump: no"}
    assert isinstance(outcomes["echo"].error, ClientToolError)
    assert len(_runs(folder)) == 7  # 8, 4 + 4, 2 + 2, 1 + 1


def test_a_dump_that_dies_later_keeps_what_was_complete(fleet: Lab, pg_dump: NewPgDump) -> None:
    """Cut before hotel, the last, whatever it is dumped with."""
    folder = pg_dump(
        'case "$*" in *tenant_hotel*) '
        'size=$($PG_DUMP "$@" | wc -c); $PG_DUMP "$@" | head -c $((size * 6 / 10)); exit 1;; esac'
    )
    outcomes = _back_up(fleet, bin_dirs=(folder,))
    assert list(_failed(outcomes)) == ["hotel"]
    assert "cut short" in _failed(outcomes)["hotel"] or "pg_dump" in _failed(outcomes)["hotel"]
    dumped = [run.count("tenant_") for run in _runs(folder)]
    assert dumped[0] == len(SLUGS)
    assert dumped[1] < len(SLUGS) - 1  # those that were complete are not dumped again
    assert len({o.manifest.snapshot.taken_at for o in outcomes.values() if o.manifest}) > 1


def test_a_pg_dump_that_never_works_is_not_tried_for_every_tenant(
    fleet: Lab, pg_dump: NewPgDump
) -> None:
    folder = pg_dump('echo "pg_dump: error: no disk" >&2; exit 1')
    outcomes = _back_up(fleet, bin_dirs=(folder,))
    assert set(_failed(outcomes).values()) == {"pg_dump: no disk"}
    assert len(_runs(folder)) < 2 * len(SLUGS) - 1


def test_a_tenant_dropped_before_it_is_read_fails_alone(fleet: Lab, pg_dump: NewPgDump) -> None:
    folder = pg_dump(_psql(fleet, "DROP SCHEMA IF EXISTS tenant_golf CASCADE"))
    outcomes = _back_up(fleet, bin_dirs=(folder,))
    assert list(_failed(outcomes)) == ["golf"]
    assert "tenant golf has no schema tenant_golf" in _failed(outcomes)["golf"]


def test_a_table_truncated_after_the_snapshot_is_read_from_a_newer_one(
    fleet: Lab, pg_dump: NewPgDump
) -> None:
    """The old snapshot would show it empty, and the tables that refer to it full."""
    once = "if [ ! -e {0} ]; then touch {0}; {1}; fi"
    flag = fleet.root.parent / "truncated"
    folder = pg_dump(once.format(flag, _psql(fleet, "TRUNCATE tenant_delta.notes")))
    outcomes = _back_up(fleet, bin_dirs=(folder,))
    assert _failed(outcomes) == {}
    delta, echo = outcomes["delta"].manifest, outcomes["echo"].manifest
    assert delta is not None
    assert echo is not None
    assert (delta.fingerprint.rows, echo.fingerprint.rows) == (20, 420)
    assert delta.snapshot.taken_at > echo.snapshot.taken_at


def test_a_table_rewritten_again_and_again_fails_with_its_name(
    fleet: Lab, pg_dump: NewPgDump
) -> None:
    folder = pg_dump(_psql(fleet, "TRUNCATE tenant_delta.notes"))
    failed = _failed(_back_up(fleet, bin_dirs=(folder,)))
    assert list(failed) == ["delta"]
    assert "its table notes was truncated, rewritten or dropped" in failed["delta"]


def test_a_locked_table_keeps_nobody_else_waiting(fleet: Lab) -> None:
    with fleet.database.connect() as other:
        other.execute("LOCK TABLE tenant_acme.notes IN ACCESS EXCLUSIVE MODE")
        outcomes = back_up_tenants(
            fleet.source(lock_timeout_seconds=600),
            fleet.store,
            [fleet.tenants[slug] for slug in SLUGS],
        )
        done = [next(outcomes).tenant.slug for _ in SLUGS[1:]]
        assert sorted(done) == sorted(SLUGS[1:])
        other.rollback()
        (last,) = outcomes
    assert last.tenant.slug == "acme"
    assert last.manifest is not None


def test_a_table_locked_while_pg_dump_starts_fails_its_tenant_only(
    fleet: Lab, pg_dump: NewPgDump
) -> None:
    locking = "BEGIN; LOCK TABLE tenant_fox.users; SELECT pg_sleep(99)"
    folder = pg_dump(_lock_once(fleet, locking))
    try:
        outcomes = _back_up(fleet, bin_dirs=(folder,), lock_timeout_seconds=1)
    finally:
        fleet.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'psql'"
        )
    assert list(_failed(outcomes)) == ["fox"]
    assert isinstance(outcomes["fox"].error, TableLockedError)
    assert len(_runs(folder)) == 2


def _lock_once(lab: Lab, locking: str) -> str:
    flag, dsn = lab.root.parent / "locked", program_dsn(lab.database)
    is_locked = (
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
        " AND relation = 'tenant_fox.users'::regclass"
    )
    return (
        f"if [ ! -e {flag} ]; then touch {flag}\n"
        f'$PSQL -qX -c "{locking}" "{dsn}" >/dev/null 2>&1 &\n'
        f'until [ "$($PSQL -qAtX -c "{is_locked}" "{dsn}")" = 1 ]; do :; done\nfi'
    )


def test_a_busy_tenant_comes_last_and_is_waited_for(fleet: Lab) -> None:
    with fleet.database.connect(autocommit=True) as other:
        outcomes = back_up_tenants(
            fleet.source(lock_timeout_seconds=600),
            fleet.store,
            [fleet.tenants[slug] for slug in SLUGS],
        )
        with tenant_lock(other, "bravo", timeout_seconds=1):
            done = [next(outcomes).tenant.slug for _ in SLUGS[1:]]
        (last,) = outcomes
    assert "bravo" not in done
    assert last.tenant.slug == "bravo"
    assert last.manifest is not None


def test_tenants_that_stay_busy_share_one_wait(fleet: Lab) -> None:
    with (
        fleet.database.connect(autocommit=True) as other,
        tenant_lock(other, "bravo", timeout_seconds=1),
        fleet.database.connect(autocommit=True) as another,
        tenant_lock(another, "carol", timeout_seconds=1),
    ):
        outcomes = _back_up(fleet, lock_timeout_seconds=1)
    assert sorted(_failed(outcomes)) == ["bravo", "carol"]
    assert isinstance(outcomes["bravo"].error, TenantBusyError)


def test_a_store_that_fails_for_one_tenant_fails_that_tenant(fleet: Lab) -> None:
    def fail(name: str) -> None:
        if name.startswith("tenants/delta/") and name.endswith(".zst"):
            raise StoreError("the disk is full")
        if name.startswith("tenants/golf/") and name.endswith(".json"):
            raise StoreError("the disk is full now")

    store = WatchedStore(fleet.store, fail)
    outcomes = list(back_up_tenants(fleet.source(), store, [fleet.tenants[slug] for slug in SLUGS]))
    failed = {o.tenant.slug: str(o.error) for o in outcomes if o.error}
    assert failed == {"delta": "the disk is full", "golf": "the disk is full now"}
    assert [len(list_backups(fleet.store, slug)) for slug in ("delta", "golf", "hotel")] == [
        0,
        0,
        1,
    ]


MUCH = (
    "INSERT INTO notes (author, body, tenant_id)"
    " SELECT 1, repeat(md5(i::text), 40), tenant_id"
    " FROM generate_series(1, 6000) AS i, users WHERE users.id = 1"
)


def test_an_outcome_is_there_and_its_tenant_free_while_the_dump_goes_on(
    fleet: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store takes the first bytes of hotel, whose data is last, only when acme is done."""
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    fleet.run(MUCH, "hotel")
    seen = threading.Event()

    def wait(name: str) -> None:
        if name.startswith("tenants/hotel/"):
            assert seen.wait(30)

    store = WatchedStore(fleet.store, wait)
    for outcome in back_up_tenants(fleet.source(), store, [fleet.tenants[slug] for slug in SLUGS]):
        assert outcome.manifest is not None
        with (
            fleet.database.connect(autocommit=True) as other,
            tenant_lock(other, outcome.tenant.slug, timeout_seconds=1),
        ):
            pass
        seen.set()


def test_who_stops_asking_leaves_nothing_behind(
    fleet: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "HELD_BYTES", 0)
    fleet.run(MUCH, "hotel")
    begun, closed = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        if name.startswith("tenants/hotel/"):
            begun.set()
            assert closed.wait(30)

    outcomes = back_up_tenants(
        fleet.source(), WatchedStore(fleet.store, wait), [fleet.tenants[slug] for slug in SLUGS]
    )
    with closing(outcomes):
        next(outcomes)
        assert begun.wait(30)
        threading.Timer(0.2, closed.set).start()
    children = psutil.Process().children()
    assert [child.name() for child in children if child.name() == "pg_dump"] == []
    assert list_backups(fleet.store, "hotel") == []
    partial = fleet.root / ".partial"
    assert list(partial.iterdir()) == []
    with (
        fleet.database.connect(autocommit=True) as other,
        tenant_lock(other, "hotel", timeout_seconds=1),
    ):
        pass
