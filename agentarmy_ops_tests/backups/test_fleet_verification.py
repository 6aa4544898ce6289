"""Many backups share a scratch database, and the verdict on each is what it would be alone."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier, Lock, Timer
from time import monotonic
from typing import Any, BinaryIO

import psutil
import pytest

from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups
from agentarmy_ops.errors import VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import SCRATCH_CONFIGURATION, start_embedded, stop_embedded
from agentarmy_ops.postgres.scratch import DatabaseFacts, ScratchServer
from agentarmy_ops_tests import hard_schema
from agentarmy_ops_tests.backups.damage import BrokenOnRead, edit_manifest, tools_that_run
from agentarmy_ops_tests.fix_backups import Backups, Lab, NewLab
from agentarmy_ops_tests.given import scratch_databases

Use = Callable[[str], None]


@dataclass(frozen=True)
class WatchedScratch(ScratchServer):
    """A scratch server that remembers its databases, and tells when one is made."""

    used: Use = lambda _: None
    made: list[str] = field(default_factory=list)
    most: list[int] = field(default_factory=lambda: [0])
    _open: set[str] = field(default_factory=set)
    _watch: Lock = field(default_factory=Lock, compare=False)

    @contextmanager
    def database(
        self, facts: DatabaseFacts, *, template: ConnInfo | None = None
    ) -> Iterator[ConnInfo]:
        with super().database(facts, template=template) as database:
            name = database.params["dbname"]
            with self._watch:
                self.made.append(name)
                self._open.add(name)
                self.most[0] = max(self.most[0], len(self._open))
            try:
                self.used(name)
                yield database
            finally:
                with self._watch:
                    self._open.remove(name)


def _watched(lab: Lab, jobs: int = 1, use: Use = lambda _: None) -> tuple[Verifier, WatchedScratch]:
    scratch = WatchedScratch(lab.scratch_server, used=use)
    return replace(lab.verifier(), scratch_for=lambda _: scratch, jobs=jobs), scratch


def _small_fleet(lab: Lab, *slugs: str) -> list[BackupRef]:
    """Backups of small tenants, and of the platform part after them."""
    for slug in slugs:
        lab.add_small_tenant(slug)
    return _back_up(lab, slugs)


def _back_up(lab: Lab, slugs: Sequence[str]) -> list[BackupRef]:
    refs = [lab.back_up(slug).ref for slug in slugs]
    lab.back_up_platform()
    return refs


def _verify(verifier: Verifier, refs: Sequence[BackupRef]) -> dict[str | None, Verdict]:
    return {verdict.slug: verdict for verdict in verify_backups(verifier, refs)}


class _OpenedStore:
    """A lab's store that remembers which tenants' archives were opened."""

    def __init__(self, lab: Lab) -> None:
        self._store = lab.store
        self.opened: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self, name: str) -> Any:
        if name.startswith("tenants/"):
            self.opened.append(name)
        return self._store.open(name)


GOOD = ("north", "south", "east", "west", "upper", "lower")
PLATFORM, BATCH, SECOND = 1, 1, 1


@pytest.mark.parametrize("major", [16, 18])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_backup_among_good_ones_is_found_and_only_that(
    new_lab: NewLab, major: int, jobs: int
) -> None:
    lab = new_lab(major)
    bad = ("damaged", "not-isolated", "unrestorable")
    for slug in (*GOOD, "reworded", *bad):
        lab.add_small_tenant(slug)
    hard_schema.apply_outside(
        lab.database,
        "varchar_in_list",
        lab.tenants["reworded"].schema_name,
        lab.tenants["reworded"].id,
    )
    lab.run("DROP POLICY tenant_isolation ON notes", "not-isolated")
    lab.run(
        "CREATE FUNCTION limit_of() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1000;"
        "ALTER TABLE notes ADD CONSTRAINT within CHECK (id < limit_of());"
        "CREATE OR REPLACE FUNCTION limit_of() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1",
        "unrestorable",
    )
    again = lab.back_up("north").ref
    refs = _back_up(lab, (*GOOD, "reworded", *bad))
    path = lab.root / next(ref for ref in refs if ref.slug == "damaged").archive
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 2] ^= 1
    path.write_bytes(stored)

    verifier, scratch = _watched(lab, jobs)
    verdicts = list(verify_backups(verifier, [*refs, again]))
    found = {verdict.ref: verdict for verdict in verdicts}
    assert sorted(found) == sorted([*refs, again])
    assert len(verdicts) == len(found)
    for ref, verdict in found.items():
        if ref.slug in bad:
            assert verdict.status is Status.FAILED, verdict
        else:
            assert (verdict.status, verdict.causes) == (Status.VERIFIED, ()), verdict
        if ref.slug != "damaged":
            assert (verdict.restore_seconds or 0) > 0
    by_slug = {ref.slug: verdict for ref, verdict in found.items()}
    assert by_slug["damaged"].causes[0].startswith("the stored archive is not the one that was")
    assert by_slug["not-isolated"].causes == ("table notes: policy tenant_isolation is missing",)
    assert 'violates check constraint "within"' in by_slug["unrestorable"].summary
    assert "VIEW tenant_reworded varchar_lists_view" in by_slug["reworded"].rewritten
    assert {verdict.platform_backup_id for verdict in verdicts} == {
        by_slug["north"].platform_backup_id
    }
    # Two backups of one tenant never share; the bad ones are looked at once more, alone.
    assert len(scratch.made) == PLATFORM + 2 * BATCH + SECOND + len(bad)
    assert scratch.most[0] <= PLATFORM + jobs * (BATCH + SECOND)
    assert scratch_databases(lab.scratch_server) == []


def test_a_whole_fleet_of_reprints_takes_two_databases(new_lab: NewLab) -> None:
    lab = new_lab()
    slugs = ("one", "two", "three")
    for slug in slugs:
        lab.add_small_tenant(slug)
        lab.run("ALTER TABLE notes ADD note_kind varchar CHECK (note_kind IN ('a', 'b'))", slug)
    refs = _back_up(lab, slugs)
    verifier, scratch = _watched(lab)
    verdicts = _verify(verifier, refs)
    for slug in slugs:
        assert (verdicts[slug].status, verdicts[slug].causes) == (Status.VERIFIED, ())
        assert verdicts[slug].rewritten == (f"TABLE tenant_{slug} notes",)
    assert len(scratch.made) == PLATFORM + BATCH + SECOND


def test_reprints_excuse_no_other_row(new_lab: NewLab, tmp_path: Path) -> None:
    """Two tenants whose columns change places; the pg_restore here also changes a row of one."""
    lab = new_lab()
    slugs = ("spoilt", "sound")
    for slug in slugs:
        lab.add_small_tenant(slug)
        lab.run(
            "CREATE TABLE parent (a integer); CREATE TABLE child (own text, a integer);"
            "INSERT INTO child VALUES ('mine', 1); ALTER TABLE child INHERIT parent;"
            "ALTER TABLE parent ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            "ALTER TABLE child ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            "CREATE POLICY tenant_isolation ON parent; CREATE POLICY tenant_isolation ON child",
            slug,
        )
    refs = _back_up(lab, slugs)
    statement = "UPDATE tenant_spoilt.child SET own = upper(own)"
    verifier = replace(
        lab.verifier(), bin_dirs=(tools_that_run(lab.tools, tmp_path, statement),), jobs=1
    )
    verdicts = _verify(verifier, refs)
    assert verdicts["spoilt"].causes == ("restored and dumped again, it is not the same",)
    assert verdicts["sound"].status is Status.VERIFIED
    assert "TABLE DATA tenant_sound child" in verdicts["sound"].rewritten


def test_a_reprint_that_has_not_come_to_rest_is_not_accepted(
    new_lab: NewLab, tmp_path: Path
) -> None:
    """The fourth pg_restore here, that of the dump of the reworded tenant, gives something else;
    alone, it does not."""
    lab = new_lab()
    slugs = ("a-reworded", "plain")
    for slug in slugs:
        lab.add_small_tenant(slug)
    lab.run("ALTER TABLE notes ADD kind varchar CHECK (kind IN ('a', 'b'))", "a-reworded")
    refs = _back_up(lab, slugs)
    grants = "GRANT SELECT ON tenant_a_reworded.notes TO pg_monitor"
    tools_that_run(lab.tools, tmp_path, grants)
    always = (tmp_path / "pg_restore").rename(tmp_path / "always")
    count = tmp_path / "count"
    (tmp_path / "pg_restore").write_text(
        f'#!/bin/sh\necho >> {count}\n[ $(wc -l < {count}) = 4 ] && exec {always} "$@"\n'
        f'exec {lab.tools.program("pg_restore")} "$@"\n'
    )
    (tmp_path / "pg_restore").chmod(0o755)
    verifier, scratch = _watched(lab)
    verdicts = _verify(replace(verifier, bin_dirs=(tmp_path,)), refs)
    assert {verdict.status for verdict in verdicts.values()} == {Status.VERIFIED}
    assert verdicts["a-reworded"].rewritten == ("TABLE tenant_a_reworded notes",)
    assert len(scratch.made) == PLATFORM + BATCH + SECOND + 1 + SECOND


def test_a_restore_that_gives_something_else_is_named_and_its_neighbours_are_verified(
    new_lab: NewLab, tmp_path: Path
) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, "acme", "globex", "initech")
    grants = "GRANT SELECT ON tenant_globex.notes TO pg_monitor"
    verifier = replace(
        lab.verifier(), bin_dirs=(tools_that_run(lab.tools, tmp_path, grants),), jobs=1
    )
    verdicts = _verify(verifier, refs)
    assert [str(difference) for difference in verdicts["globex"].differences] == [
        "ACL tenant_globex.TABLE notes: unexpected"
    ]
    assert [verdicts[slug].status for slug in ("acme", "initech")] == [Status.VERIFIED] * 2


# Code that a restore runs may look anywhere; pg_depend knows nothing of it.
BORROWING = {
    "by name": "CREATE FUNCTION lent() RETURNS boolean LANGUAGE sql AS"
    " 'SELECT EXISTS (SELECT FROM tenant_a_lender.users)'",
    "by a computed name": "CREATE FUNCTION lent() RETURNS boolean LANGUAGE plpgsql AS"
    " 'BEGIN EXECUTE format(''SELECT FROM tenant_%s_lender.users'', ''a''); RETURN true; END'",
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("how", BORROWING)
def test_what_is_restorable_only_beside_a_neighbour_is_not_verified(
    new_lab: NewLab, how: str, jobs: int
) -> None:
    lab = new_lab()
    slugs = ("a-lender", "borrower", "other-1", "other-2")
    for slug in slugs:
        lab.add_small_tenant(slug)
    lab.run(f"{BORROWING[how]}; ALTER TABLE notes ADD CHECK (lent())", "borrower")
    refs = _back_up(lab, slugs)
    verifier, scratch = _watched(lab, jobs)
    verdicts = _verify(verifier, refs)
    assert verdicts["borrower"].status is Status.FAILED
    assert 'relation "tenant_a_lender.users" does not exist' in verdicts["borrower"].summary
    assert {verdicts[slug].status for slug in slugs if slug != "borrower"} == {Status.VERIFIED}
    assert len(scratch.made) == PLATFORM + jobs * BATCH + 1


def test_an_archive_of_somebody_else_does_not_stay_beside_others(new_lab: NewLab) -> None:
    """It is put in the place of another, and restores well."""
    lab = new_lab()
    slugs = ("a-lender", "an-exchanged", "borrower", "other")
    for slug in slugs:
        lab.add_small_tenant(slug)
    lab.run(f"{BORROWING['by name']}; ALTER TABLE notes ADD CHECK (lent())", "borrower")
    lender, *refs = _back_up(lab, slugs)
    (lab.root / refs[0].archive).write_bytes((lab.root / lender.archive).read_bytes())
    verdicts = _verify(_watched(lab)[0], refs)
    assert verdicts["an-exchanged"].status is verdicts["borrower"].status is Status.FAILED
    assert 'relation "tenant_a_lender.users" does not exist' in verdicts["borrower"].summary
    assert verdicts["other"].status is Status.VERIFIED


def test_rows_that_a_shared_table_has_from_a_neighbour_are_not_there_for_others(
    new_lab: NewLab,
) -> None:
    """One has a partition of a shared table; another looks into that while it is restored."""
    lab = new_lab()
    slugs = ("a-lender", "borrower", "other")
    for slug in slugs:
        lab.add_small_tenant(slug)
    lab.run("CREATE TABLE shared.events (id integer) PARTITION BY LIST (id)")
    lab.run(
        "CREATE TABLE events PARTITION OF shared.events FOR VALUES IN (1);"
        "INSERT INTO events VALUES (1);"
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY tenant_isolation ON events",
        "a-lender",
    )
    lab.run(
        "CREATE FUNCTION lent() RETURNS boolean LANGUAGE sql AS"
        " 'SELECT EXISTS (SELECT FROM shared.events)'; ALTER TABLE notes ADD CHECK (lent())",
        "borrower",
    )
    refs = _back_up(lab, slugs)
    verifier, scratch = _watched(lab)
    verdicts = _verify(verifier, refs)
    assert verdicts["borrower"].status is Status.FAILED
    assert 'violates check constraint "notes_check"' in verdicts["borrower"].summary
    assert verdicts["a-lender"].summary == verdicts["other"].summary == "verified"
    assert len(scratch.made) == PLATFORM + BATCH + 2


def test_a_restore_that_changes_the_platform_part_proves_nothing_for_its_neighbours(
    new_lab: NewLab,
) -> None:
    """The row that one brings along is what another lacks."""
    lab = new_lab()
    slugs = ("bringer", "needy", "other")
    for slug in slugs:
        lab.add_small_tenant(slug)
    refs = [lab.back_up("other").ref]
    lab.back_up_platform()
    lab.run(
        "CREATE FUNCTION brings() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN"
        " INSERT INTO shared.plans VALUES (9, ''New'') ON CONFLICT DO NOTHING; RETURN true; END';"
        "ALTER TABLE notes ADD CHECK (brings());"
        "UPDATE users SET plan = 2",
        "bringer",
    )
    lab.run("UPDATE users SET plan = 9 WHERE id = 1", "needy")
    refs += [lab.back_up(slug).ref for slug in ("bringer", "needy")]
    verifier, scratch = _watched(lab)
    verdicts = _verify(verifier, refs)
    assert verdicts["needy"].status is Status.ERROR
    assert 'is not present in table "plans"' in verdicts["needy"].summary
    assert verdicts["other"].status is Status.VERIFIED
    assert verdicts["bringer"].status is Status.VERIFIED
    assert len(scratch.made) == PLATFORM + BATCH + len(slugs)


def test_a_restore_that_fails_leaves_nothing(new_lab: NewLab) -> None:
    """Not even what its code did before: the batch goes on, and is believed."""
    lab = new_lab()
    slugs = ("broken", "other-1", "other-2")
    for slug in slugs:
        lab.add_small_tenant(slug)
    lab.run(
        "CREATE FUNCTION brings() RETURNS boolean LANGUAGE sql RETURN true;"
        "CREATE FUNCTION limit_of() RETURNS integer LANGUAGE sql RETURN 1000;"
        "ALTER TABLE notes ADD CHECK (brings());"
        "ALTER TABLE users ADD CHECK (id < limit_of());"
        "CREATE OR REPLACE FUNCTION brings() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN"
        " INSERT INTO shared.plans VALUES (9, ''New'') ON CONFLICT DO NOTHING; RETURN true; END';"
        "CREATE OR REPLACE FUNCTION limit_of() RETURNS integer LANGUAGE sql RETURN 1",
        "broken",
    )
    refs = _back_up(lab, slugs)
    verifier, scratch = _watched(lab)
    verdicts = _verify(verifier, refs)
    assert verdicts["broken"].status is Status.FAILED
    assert verdicts["other-1"].status is verdicts["other-2"].status is Status.VERIFIED
    assert len(scratch.made) == PLATFORM + BATCH + 1


def test_restores_run_at_once(new_lab: NewLab) -> None:
    """Each waits for the other; and no third database is used beside them."""
    lab = new_lab()
    refs = _small_fleet(lab, *GOOD)
    both = Barrier(2)

    def meet(name: str) -> None:
        if len(scratch.made) > PLATFORM:
            both.wait(60)

    verifier, scratch = _watched(lab, 2, meet)
    verdicts = _verify(verifier, refs)
    assert {verdict.status for verdict in verdicts.values()} == {Status.VERIFIED}
    assert (len(scratch.made), scratch.most[0]) == (PLATFORM + 2, PLATFORM + 2)


def test_a_dump_of_the_batch_that_fails_leaves_everyone_to_be_verified_alone(
    new_lab: NewLab, tmp_path: Path
) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, "acme", "globex")
    tools = lab.tools
    (tmp_path / "pg_restore").symlink_to(tools.program("pg_restore"))
    (tmp_path / "pg_dump").write_text(
        f'#!/bin/sh\ncase "$*" in *tenant_acme*tenant_globex*) echo no >&2; exit 1;; esac\n'
        f'exec {tools.program("pg_dump")} "$@"\n'
    )
    (tmp_path / "pg_dump").chmod(0o755)
    verifier, scratch = _watched(lab)
    verdicts = _verify(replace(verifier, bin_dirs=(tmp_path,)), refs)
    assert [verdict.status for verdict in verdicts.values()] == [Status.VERIFIED] * 2
    assert len(scratch.made) == PLATFORM + BATCH + 2


def test_a_store_that_breaks_for_some_is_an_error_for_them_only(new_lab: NewLab) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, *GOOD)

    class Broken(BrokenOnRead):
        def open(self, name: str) -> Any:
            return super().open(name) if "/south/" in name else lab.store.open(name)

    verifier = replace(lab.verifier(Broken(lab.store, 2000)), jobs=2)
    verdicts = _verify(verifier, refs)
    assert verdicts.pop("south").causes == ("cannot read the object: the connection was reset",)
    assert {verdict.status for verdict in verdicts.values()} == {Status.VERIFIED}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_scratch_server_that_goes_away_is_an_error_for_all_that_are_left(
    new_lab: NewLab, tmp_path: Path, jobs: int
) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, *GOOD)
    data_dir = tmp_path / "short-lived" / "scratch-16"
    server = start_embedded(data_dir, major=16, configuration=SCRATCH_CONFIGURATION)

    class Stopping:
        opened = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(lab.store, name)

        @contextmanager
        def open(self, name: str) -> Iterator[BinaryIO]:
            self.opened += name.startswith("tenants/")
            if self.opened == 3:
                stop_embedded(data_dir)
            with lab.store.open(name) as stream:
                yield stream

    scratch = ScratchServer(server)
    verifier = replace(lab.verifier(Stopping()), scratch_for=lambda _: scratch, jobs=jobs)
    verdicts = _verify(verifier, refs)
    assert {verdict.status for verdict in verdicts.values()} == {Status.ERROR}
    assert set(verdicts) == set(GOOD)
    assert all("scratch server" in verdict.summary for verdict in verdicts.values())


def _sleeping_fleet(lab: Lab) -> list[BackupRef]:
    """One tenant is done at once; the others' restores take minutes."""
    for slug in ("quick", "slow-1", "slow-2", "slow-3"):
        lab.add_small_tenant(slug)
    refs = [lab.back_up("quick").ref]
    lab.back_up_platform()
    for slug in ("slow-1", "slow-2", "slow-3"):
        lab.run(
            "CREATE FUNCTION nap() RETURNS boolean LANGUAGE sql RETURN true;"
            "ALTER TABLE notes ADD CHECK (nap());"
            "CREATE OR REPLACE FUNCTION nap() RETURNS boolean LANGUAGE sql"
            " RETURN pg_catalog.pg_sleep(1) IS NOT NULL",
            slug,
        )
    refs += [lab.back_up(slug).ref for slug in ("slow-1", "slow-2", "slow-3")]
    lab.back_up_platform()
    return refs


def _programs() -> list[str]:
    """What runs as a child of ours."""
    names = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            names.append(child.name())
    return names


def _nothing_is_left(lab: Lab) -> None:
    assert not [t for t in threading.enumerate() if t.name.startswith("verify-")]
    assert not {"pg_dump", "pg_restore", "sleep"} & set(_programs())
    assert scratch_databases(lab.scratch_server) == []


def test_closing_the_generator_ends_everything_soon(new_lab: NewLab) -> None:
    lab = new_lab()
    refs = _sleeping_fleet(lab)
    # Upon the first platform backup goes one, upon the second three.
    verdicts = verify_backups(replace(lab.verifier(), jobs=2), refs[:1])
    assert next(verdicts).slug == "quick"
    verdicts.close()
    _nothing_is_left(lab)

    started = monotonic()
    everything = verify_backups(replace(lab.verifier(), jobs=2), refs[1:])
    with pytest.raises(KeyboardInterrupt):
        _interrupt(everything, ["pg_restore", "pg_restore"])
    assert monotonic() - started < 60
    _nothing_is_left(lab)
    with lab.scratch_server.connect() as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE query LIKE 'COPY%' AND usename = current_user"
        )
        assert connection.execute(query).fetchone() == (0,)


def test_a_dump_that_hangs_ends_with_the_rest(new_lab: NewLab, tmp_path: Path) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, "acme", "globex")
    tools = lab.tools
    (tmp_path / "pg_restore").symlink_to(tools.program("pg_restore"))
    (tmp_path / "pg_dump").write_text(
        '#!/bin/sh\ncase "$*" in *tenant_acme*) exec sleep 100;; esac\n'
        f'exec {tools.program("pg_dump")} "$@"\n'
    )
    (tmp_path / "pg_dump").chmod(0o755)
    verifier = replace(lab.verifier(), bin_dirs=(tmp_path,), jobs=1)
    started = monotonic()
    with pytest.raises(KeyboardInterrupt):
        _interrupt(verify_backups(verifier, refs), ["sleep"])
    assert monotonic() - started < 60
    _nothing_is_left(lab)


def _interrupt(verdicts: Iterator[Verdict], running: Sequence[str]) -> None:
    """Ctrl-C, when these programs run."""

    def interrupt() -> None:
        if sorted(name for name in _programs() if name in running) == running:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            Timer(0.1, interrupt).start()

    Timer(0.1, interrupt).start()
    list(verdicts)


def test_the_scratch_server_is_looked_up_once(new_lab: NewLab) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, *GOOD)
    asked: list[int] = []

    def scratch_for(major: int) -> ScratchServer:
        asked.append(major)
        return ScratchServer(lab.scratch_server)

    verifier = replace(lab.verifier(), scratch_for=scratch_for, jobs=2)
    assert len(_verify(verifier, refs)) == len(GOOD)
    assert asked == [16]


def test_no_platform_backup_is_needed_where_nothing_of_it_is(new_lab: NewLab) -> None:
    lab = new_lab()
    for slug in ("acme", "globex", "needy"):
        lab.add_small_tenant(slug)
        if slug != "needy":
            lab.run("ALTER TABLE users DROP CONSTRAINT users_plan_fkey", slug)
    refs = [lab.back_up(slug).ref for slug in ("acme", "globex", "needy")]
    verifier, scratch = _watched(lab)
    verdicts = _verify(verifier, refs)
    assert verdicts["needy"].status is Status.ERROR
    assert "there is no platform backup" in verdicts["needy"].summary
    assert verdicts["acme"].status is verdicts["globex"].status is Status.VERIFIED
    assert len(scratch.made) == BATCH + 1


def test_a_session_that_would_make_good_backups_look_bad_is_no_verdict(new_lab: NewLab) -> None:
    lab = new_lab()
    role = lab.scratch_server.params["user"]
    lab.run(f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT SELECT ON TABLES TO PUBLIC")
    refs = _small_fleet(lab, "acme", "globex")
    store = _OpenedStore(lab)
    for verdict in _verify(replace(lab.verifier(store), jobs=1), refs).values():
        assert verdict.status is Status.ERROR
        assert "has default privileges" in verdict.summary
    assert store.opened == []  # nor is anything restored in vain


def test_an_extension_that_the_platform_part_lacks_is_no_verdict_on_that_tenant_only(
    backups: Backups,
) -> None:
    edit_manifest(backups, "acme", lambda d: d["needs"].update(extensions=["vector"]))
    verifier = replace(backups.lab.verifier(), jobs=1)
    verdicts = _verify(verifier, [backups.ref("acme"), backups.ref("globex")])
    assert verdicts["acme"].status is Status.ERROR
    assert "lacks extension vector; back up the platform" in verdicts["acme"].summary
    assert verdicts["globex"].status is Status.VERIFIED


def test_a_failing_database_of_the_batch_is_no_verdict_on_it(new_lab: NewLab) -> None:
    lab = new_lab()
    refs = _small_fleet(lab, "acme", "globex")
    made = 0

    def fail_once(_: str) -> None:
        nonlocal made
        made += 1
        if made == PLATFORM + BATCH:
            raise VerificationError("no space")

    verifier, _ = _watched(lab, 1, fail_once)
    verdicts = _verify(verifier, refs)
    assert {verdict.status for verdict in verdicts.values()} == {Status.VERIFIED}
