"""What is reported is what was done to the live tenant since its backup, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from agentarmy_ops.backups.catalog import load_manifest
from agentarmy_ops.backups.create import back_up_tenants
from agentarmy_ops.backups.diff import digests
from agentarmy_ops.backups.diff.live import open_live
from agentarmy_ops.backups.diff.report import Change, TableDiff, TenantDiff
from agentarmy_ops.backups.diff.tenant import diff_tenant
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.errors import (
    ArchiveError,
    BackupRefusedError,
    DatabaseError,
    InvalidInputError,
    ObjectNotFoundError,
    SecretNotFoundError,
    TenantNotFoundError,
)
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.backups.damage import block_boundaries, plain_archive, replace_archive
from agentarmy_ops_tests.fix_backups import Backups, Lab

_SQL = Path(__file__).parent / "sql"
NOTES = 400


class CountedStore:
    """A store that counts how often an object is opened, and calls ``watch`` then."""

    def __init__(self, store: Store, watch: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._watch = watch
        self.opened = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        self.opened += 1
        self._watch()
        with self._store.open(name) as stream:
            yield stream


def diff(lab: Lab, manifest: Manifest, **keywords: Any) -> TenantDiff:
    return diff_tenant(lab.source(), lab.store, manifest, **keywords)


def objects(found: TenantDiff) -> dict[str, Change]:
    return {one.what: one.change for one in found.definitions}


def only(found: TenantDiff) -> TableDiff:
    (table,) = found.tables
    return table


def counts(table: TableDiff) -> tuple[int | None, int | None, int, int, int]:
    return (table.backup_rows, table.live_rows, table.added, table.removed, table.changed)


def test_an_untouched_tenant_does_not_differ_and_its_archive_is_not_read(
    good_backups: Backups,
) -> None:
    manifest = good_backups.manifests["acme"]
    store = CountedStore(good_backups.lab.store)
    found = diff_tenant(good_backups.lab.source(), store, manifest, examples=5)
    assert not found.differs
    assert (found.definitions, found.sequences, found.tables) == ((), (), ())
    assert (found.same_tables, store.opened) == (2, 0)
    assert (found.slug, found.backup_id) == ("acme", manifest.backup_id)
    assert found.backup_taken_at == manifest.snapshot.taken_at < found.live_taken_at
    assert found.backup_server_version == found.live_server_version
    assert list(good_backups.lab.root.rglob("*.tmp")) == []


def test_rows_added_removed_and_changed_are_counted_and_named_by_key_alone(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("DELETE FROM notes WHERE id <= 3", "acme")
    lab.run("UPDATE notes SET body = 'other' WHERE id IN (10, 11)", "acme")
    lab.run("INSERT INTO notes SELECT 1000, author, body, tenant_id FROM notes LIMIT 1", "acme")
    store = CountedStore(lab.store)
    found = diff_tenant(lab.source(), store, manifest)
    table = only(found)
    assert (table.table, table.key) == ("notes", ("id",))
    assert counts(table) == (NOTES, NOTES - 2, 1, 3, 2)
    assert not any(getattr(table.examples, kind) for kind in ("added", "removed", "changed"))
    assert (found.definitions, found.sequences, found.same_tables) == ((), (), 1)
    assert found.differs
    assert store.opened == 1

    examples = only(diff(lab, manifest, examples=5)).examples
    assert examples.added == ({"id": "1000"},)
    assert sorted(key["id"] for key in examples.removed) == ["1", "2", "3"]
    assert sorted(key["id"] for key in examples.changed) == ["10", "11"]
    assert {len(key) for key in (*examples.removed, *examples.changed)} == {1}
    assert len(only(diff(lab, manifest, examples=2)).examples.removed) == 2
    store = CountedStore(lab.store)
    assert only(diff_tenant(lab.source(), store, manifest, examples=1)).examples.removed
    assert store.opened == 2


def test_a_sequence_that_went_on_is_no_definition(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("SELECT nextval('notes_id_seq')", "acme")
    found = diff(lab, manifest)
    assert found.sequences == ("tenant_acme.notes_id_seq",)
    assert (found.definitions, found.tables, found.differs) == ((), (), True)


def test_a_new_sequence_is_a_definition_and_no_value(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("CREATE SEQUENCE counter", "acme")
    found = diff(lab, manifest)
    assert objects(found) == {"SEQUENCE tenant_acme.counter": Change.ADDED}
    assert found.sequences == ()


def test_rows_in_another_order_do_not_differ(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("UPDATE notes SET body = body WHERE id < 50", "acme")
    store = CountedStore(lab.store)
    found = diff_tenant(lab.source(), store, manifest)
    assert (found.differs, found.same_tables) == (False, 2)
    assert store.opened == 1  # the fingerprints differ


def test_tables_that_only_one_side_has(lab: Lab) -> None:
    lab.run("CREATE TABLE empty (id int PRIMARY KEY)", "acme")
    manifest = lab.back_up("acme")
    lab.run("ALTER TABLE notes RENAME TO remarks; DROP TABLE empty", "acme")
    lab.run("CREATE TABLE new AS SELECT generate_series(1, 7) AS n", "acme")
    found = diff(lab, manifest)
    assert {table.table: counts(table) for table in found.tables} == {
        "empty": (0, None, 0, 0, 0),
        "new": (None, 7, 7, 0, 0),
        "notes": (NOTES, None, 0, NOTES, 0),
        "remarks": (None, NOTES, NOTES, 0, 0),
    }
    assert [table.table for table in found.tables] == ["empty", "new", "notes", "remarks"]
    assert found.same_tables == 1
    changed = objects(found)
    assert changed["TABLE tenant_acme.notes"] is Change.REMOVED
    assert changed["TABLE tenant_acme.remarks"] is Change.ADDED
    assert not any(what.startswith("TABLE DATA") for what in changed)


def test_an_empty_table_that_was_filled_and_one_that_was_emptied(lab: Lab) -> None:
    lab.run("CREATE TABLE empty (id int PRIMARY KEY)", "acme")
    manifest = lab.back_up("acme")
    lab.run("INSERT INTO empty SELECT generate_series(1, 3); DELETE FROM notes", "acme")
    assert [counts(table) for table in diff(lab, manifest).tables] == [
        (0, 3, 3, 0, 0),
        (NOTES, 0, 0, NOTES, 0),
    ]


def test_changed_definitions_are_named_and_rewording_is_told_apart(lab: Lab) -> None:
    lab.run(
        "CREATE VIEW first AS SELECT id, body FROM notes;"
        "CREATE VIEW second AS SELECT id FROM notes WHERE (id + author) + 1 > 2;"
        "CREATE VIEW third AS SELECT 1 AS one",
        "acme",
    )
    manifest = lab.back_up("acme")
    lab.run(
        "CREATE OR REPLACE VIEW first AS SELECT id, upper(body) AS body FROM notes;"
        "CREATE OR REPLACE VIEW second AS SELECT id FROM notes WHERE id + (author + 1) > 2;"
        "DROP VIEW third; CREATE INDEX ON notes (author); ALTER VIEW second SET SCHEMA public;"
        "ALTER VIEW public.second SET SCHEMA tenant_acme",
        "acme",
    )
    found = diff(lab, manifest)
    assert objects(found) == {
        "INDEX tenant_acme.notes_author_idx": Change.ADDED,
        "VIEW tenant_acme.first": Change.CHANGED,
        "VIEW tenant_acme.second": Change.REWORDED,
        "VIEW tenant_acme.third": Change.REMOVED,
    }
    assert (found.tables, found.same_tables, found.differs) == ((), 2, True)


def test_another_owner_is_said(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("ALTER TABLE notes OWNER TO agentarmy_backup", "acme")
    table = next(d for d in diff(lab, manifest).definitions if d.what == "TABLE tenant_acme.notes")
    assert table.change is Change.CHANGED
    assert table.detail == "owner agentarmy_owner -> agentarmy_backup"


def test_columns_that_both_have_are_compared_and_the_others_named(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run(
        'ALTER TABLE notes ADD "odd ""name""" text DEFAULT \'x\', DROP tenant_id CASCADE', "acme"
    )
    lab.run("UPDATE notes SET body = 'other' WHERE id = 7", "acme")
    found = diff(lab, manifest, examples=3)
    table = only(found)
    assert counts(table) == (NOTES, NOTES, 0, 0, 1)
    assert table.columns_added == ('odd "name"',)
    assert table.columns_removed == ("tenant_id",)
    assert table.examples.changed == ({"id": "7"},)
    assert objects(found)["TABLE tenant_acme.notes"] is Change.CHANGED


def test_a_new_column_is_a_difference_even_if_no_row_changed(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("ALTER TABLE notes ADD extra int", "acme")
    assert counts(only(diff(lab, manifest))) == (NOTES, NOTES, 0, 0, 0)


def test_with_no_column_in_common_every_row_is_another(lab: Lab) -> None:
    lab.run("CREATE TABLE pairs AS SELECT generate_series(1, 5) AS a", "acme")
    manifest = lab.back_up("acme")
    lab.run("ALTER TABLE pairs ADD b int; ALTER TABLE pairs DROP a", "acme")
    lab.run("DELETE FROM pairs WHERE ctid = '(0,1)'", "acme")
    assert counts(only(diff(lab, manifest, examples=2))) == (5, 4, 4, 5, 0)


def test_rows_of_a_table_without_columns_are_counted(lab: Lab) -> None:
    lab.run("CREATE TABLE bare (); INSERT INTO bare SELECT FROM generate_series(1, 5)", "acme")
    manifest = lab.back_up("acme")
    lab.run("INSERT INTO bare DEFAULT VALUES", "acme")
    assert counts(only(diff(lab, manifest))) == (5, 6, 1, 0, 0)


def test_without_a_primary_key_rows_are_compared_whole_and_counted(lab: Lab) -> None:
    lab.run("CREATE TABLE log AS SELECT i % 3 AS n, 'x' AS t FROM generate_series(0, 8) i", "acme")
    manifest = lab.back_up("acme")
    lab.run("DELETE FROM log WHERE ctid IN (SELECT ctid FROM log WHERE n = 0 LIMIT 2)", "acme")
    lab.run("UPDATE log SET t = 'y' WHERE n = 1", "acme")
    lab.run("INSERT INTO log VALUES (2, 'x')", "acme")
    table = only(diff(lab, manifest, examples=5))
    assert counts(table) == (9, 8, 4, 5, 0)
    assert table.key == ()
    assert table.examples.removed == ()


def test_another_primary_key_is_none(lab: Lab) -> None:
    lab.run("CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b))", "acme")
    lab.run("INSERT INTO pairs VALUES (1, 1), (1, 2), (2, 1)", "acme")
    manifest = lab.back_up("acme")
    lab.run("DELETE FROM pairs WHERE a = 1 AND b = 2; ALTER TABLE pairs DROP CONSTRAINT pairs_pkey,"
            " ADD PRIMARY KEY (a)", "acme")  # fmt: skip
    table = only(diff(lab, manifest))
    assert (table.key, counts(table)) == ((), (3, 2, 0, 1, 0))


def test_a_key_in_another_order_and_place_than_the_columns(lab: Lab) -> None:
    lab.run('CREATE TABLE odd (v text, "b ""c" text, a int, PRIMARY KEY (a, "b ""c"))', "acme")
    lab.run("INSERT INTO odd VALUES ('v', E'x\\ty\\n', 1), ('v', 'x', 2), ('v', 'x', 3)", "acme")
    manifest = lab.back_up("acme")
    lab.run("UPDATE odd SET v = NULL WHERE a = 1; DELETE FROM odd WHERE a = 3", "acme")
    table = only(diff(lab, manifest, examples=9))
    assert table.key == ("a", 'b "c')
    assert table.examples.changed == ({"a": "1", 'b "c': "x\ty\n"},)
    assert table.examples.removed == ({"a": "3", 'b "c': "x"},)


def test_only_the_tables_asked_for_are_dumped_and_compared(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("DELETE FROM notes WHERE id < 3; UPDATE users SET plan = 3 - plan", "acme")
    lab.run("CREATE VIEW v AS SELECT 1 AS one", "acme")
    found = diff(lab, manifest, tables=["users"])
    assert only(found).table == "users"
    assert (only(found).changed, found.same_tables) == (20, 0)
    assert objects(found) == {"VIEW tenant_acme.v": Change.ADDED}
    both = diff(lab, manifest, tables=["users", "notes"])
    assert [table.table for table in both.tables] == ["notes", "users"]
    with pytest.raises(InvalidInputError, match=r"tenant acme has no table Users with rows"):
        diff(lab, manifest, tables=["users", "Users"])


def test_a_table_that_is_gone_or_new_can_be_asked_for(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("DROP TABLE notes; CREATE TABLE new ()", "acme")
    found = diff(lab, manifest, tables=["new", "notes"])
    assert [counts(table) for table in found.tables] == [
        (None, 0, 0, 0, 0),
        (NOTES, None, 0, NOTES, 0),
    ]


def test_the_platform_part_is_no_tenant(good_backups: Backups) -> None:
    with pytest.raises(InvalidInputError, match="not the backup of a tenant"):
        diff(good_backups.lab, good_backups.manifests[None])


def test_a_tenant_without_schema_is_said(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    lab.run("DROP SCHEMA tenant_acme CASCADE")
    with pytest.raises(TenantNotFoundError, match="tenant acme has no schema tenant_acme in"):
        diff(lab, manifest)


def test_a_role_that_does_not_see_all_rows_is_refused(good_backups: Backups) -> None:
    lab = good_backups.lab
    source = lab.source(conninfo=lab.database.with_params(user="agentarmy_owner"))
    with pytest.raises(BackupRefusedError, match="cannot see all rows"):
        diff_tenant(source, lab.store, good_backups.manifests["acme"])


def test_the_tenants_lock_is_not_needed(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    with (
        lab.database.connect(autocommit=True) as connection,
        tenant_lock(connection, "acme", timeout_seconds=5),
    ):
        assert not diff(lab, manifest).differs


@pytest.fixture
def changed(lab: Lab) -> tuple[Backups, Manifest]:
    """A backup of a tenant of which a row has changed since."""
    manifest = lab.back_up("acme")
    lab.run("UPDATE notes SET body = 'other' WHERE id = 1", "acme")
    return Backups(lab, {"acme": manifest}), manifest


def test_an_encrypted_backup_needs_its_key_only_if_something_differs(
    lab: Lab, tmp_path: Path
) -> None:
    keys = Keys(LocalSecretsStore(tmp_path / "secrets"), encrypts=True)
    source = lab.source(keys=keys)
    (outcome,) = back_up_tenants(source, lab.store, [lab.tenants["acme"]])
    manifest = outcome.manifest
    assert manifest is not None
    assert manifest.archive.encryption is not None
    keyless = lab.source(keys=Keys(LocalSecretsStore(tmp_path / "others")))
    assert not diff_tenant(keyless, lab.store, manifest).differs
    lab.run("DELETE FROM notes WHERE id = 1", "acme")
    found = diff_tenant(source, lab.store, manifest, examples=1)
    assert only(found).examples.removed == ({"id": "1"},)
    with pytest.raises(SecretNotFoundError, match="acme-backup-key"):
        diff_tenant(keyless, lab.store, manifest)


def test_a_damaged_archive_is_refused_in_one_line(changed: tuple[Backups, Manifest]) -> None:
    backups, manifest = changed
    path = backups.path(manifest.ref.archive)
    good = path.read_bytes()
    for damaged in (good[: len(good) // 2], bytes([*good[:-9], good[-9] ^ 1, *good[-8:]])):
        path.write_bytes(damaged)
        with pytest.raises(ArchiveError, match=rf"^backup {manifest.ref} cannot be compared: .*"):
            diff(backups.lab, manifest)
    path.unlink()
    with pytest.raises(ObjectNotFoundError):
        diff(backups.lab, manifest)


def test_other_rows_than_were_backed_up_are_refused(changed: tuple[Backups, Manifest]) -> None:
    """Though somebody made the manifest's measure of the object fit."""
    backups, manifest = changed
    plain = plain_archive(backups, "acme").replace(b"note 5:", b"note 6:")
    replace_archive(backups, "acme", plain, adjust=True)
    forged = load_manifest(backups.lab.store, manifest.ref)
    with pytest.raises(ArchiveError, match="the rows of notes are not those"):
        diff(backups.lab, forged)


def test_bytes_behind_the_rows_are_checked_too(changed: tuple[Backups, Manifest]) -> None:
    backups, manifest = changed
    path = backups.path(manifest.ref.archive)
    path.write_bytes(path.read_bytes() + b"\x50\x2a\x4d\x18\0\0\0\0")  # an empty zstd frame
    with pytest.raises(ArchiveError, match="the stored object is not the one"):
        diff(backups.lab, manifest)


def test_an_archive_without_a_tables_rows_is_refused(changed: tuple[Backups, Manifest]) -> None:
    backups, manifest = changed
    plain = plain_archive(backups, "acme")
    replace_archive(backups, "acme", plain[: block_boundaries(plain)[0]], adjust=True)
    forged = load_manifest(backups.lab.store, manifest.ref)
    with pytest.raises(ArchiveError, match="cut short: no rows of notes"):
        diff(backups.lab, forged)


@pytest.mark.parametrize("statement", ["TRUNCATE notes", "ALTER TABLE notes ALTER id TYPE numeric"])
def test_a_table_rewritten_between_dump_and_reading_is_no_result(
    changed: tuple[Backups, Manifest], statement: str
) -> None:
    backups, manifest = changed
    lab = backups.lab
    store = CountedStore(lab.store, lambda: lab.run(statement, "acme"))
    with pytest.raises(DatabaseError, match=r"altered while it was compared: its table notes"):
        diff_tenant(lab.source(), store, manifest)


def test_a_table_rewritten_before_the_dump_is_no_result(lab: Lab) -> None:
    """pg_dump in the same snapshot finds it empty."""
    manifest = lab.back_up("acme")
    assert manifest.tenant
    with open_live(lab.source(), manifest, manifest.tenant) as live:
        lab.run("TRUNCATE notes", "acme")
        with pytest.raises(DatabaseError, match=r"altered while it was compared: its table notes"):
            live.dump()
        assert live.dump(["users"]).fingerprint.rows == 20


def test_the_dump_is_of_the_snapshot(lab: Lab) -> None:
    manifest = lab.back_up("acme")
    assert manifest.tenant
    with open_live(lab.source(), manifest, manifest.tenant) as live:
        lab.run("DELETE FROM notes", "acme")
        assert live.dump().fingerprint == manifest.fingerprint


def test_a_neighbouring_table_rewritten_meanwhile_does_not_matter(
    changed: tuple[Backups, Manifest],
) -> None:
    backups, manifest = changed
    lab = backups.lab
    lab.run("CREATE TABLE other AS SELECT 1 AS n", "acme")
    store = CountedStore(lab.store, lambda: lab.run("TRUNCATE other", "acme"))
    found = diff_tenant(lab.source(), store, manifest)
    assert [table.table for table in found.tables] == ["notes", "other"]


def test_dump_and_rows_are_of_one_moment(changed: tuple[Backups, Manifest]) -> None:
    backups, manifest = changed
    lab = backups.lab
    store = CountedStore(lab.store, lambda: lab.run("DELETE FROM notes WHERE id > 100", "acme"))
    assert counts(only(diff_tenant(lab.source(), store, manifest))) == (NOTES, NOTES, 0, 0, 1)


def test_a_table_dropped_meanwhile_is_one_line(changed: tuple[Backups, Manifest]) -> None:
    backups, manifest = changed
    lab = backups.lab
    store = CountedStore(lab.store, lambda: lab.run("DROP TABLE notes", "acme"))
    with pytest.raises(DatabaseError, match=r"cannot read the rows of tenant acme: .*notes"):
        diff_tenant(lab.source(), store, manifest)


def test_settings_of_the_session_do_not_matter(
    changed: tuple[Backups, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values become text as they did in the backup's dump."""
    backups, _ = changed
    lab = backups.lab
    lab.run(
        "CREATE TABLE typed (id int PRIMARY KEY, t timestamptz, i interval, b bytea, f float8,"
        " u text);"
        "INSERT INTO typed SELECT i, '2026-01-01 12:00+00', '1 day 2 hours', '\\x00ff', 0.1 + i,"
        " 'é€' FROM generate_series(1, 5) i",
        "acme",
    )
    manifest = lab.back_up("acme")
    lab.run("UPDATE typed SET f = 0 WHERE id = 1", "acme")
    database = lab.database.params["dbname"]
    lab.run(
        f"ALTER DATABASE {database} SET DateStyle = 'SQL';"
        f"ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo';"
        f"ALTER DATABASE {database} SET IntervalStyle = 'iso_8601';"
        f"ALTER DATABASE {database} SET bytea_output = 'escape';"
        f"ALTER DATABASE {database} SET extra_float_digits = -5"
    )
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN9")
    assert counts(only(diff(lab, manifest))) == (5, 5, 0, 0, 1)


def test_nothing_of_a_row_is_left_on_disk(
    changed: tuple[Backups, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups, manifest = changed
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(digests, "_BUFFER", 0)  # write each row's digests at once
    seen: list[list[Path]] = []
    store = CountedStore(backups.lab.store, lambda: seen.append(list(folder.iterdir())))
    assert diff_tenant(backups.lab.source(), store, manifest, examples=2).differs
    assert seen == [[]]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("major", [16, 18])
def test_a_hard_tenant_does_not_differ_from_its_own_backup(
    major: int, hard_labs: Callable[[int], Lab]
) -> None:
    lab = hard_labs(major)
    lab.add_hard_tenant("hard")
    manifest = lab.back_up("hard")
    assert not diff(lab, manifest).differs
    # The first row of nearly every table moves to its end: compared, and found the same.
    with lab.database.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        moving = connection.execute((_SQL / "move_first_rows.sql").read_bytes()).fetchall()
        moved = sum(connection.execute(statement.encode()).rowcount for (statement,) in moving)
    assert moved > 20
    store = CountedStore(lab.store)
    found = diff_tenant(lab.source(), store, manifest, examples=3)
    assert (found.definitions, found.tables, found.sequences) == ((), (), ())
    assert store.opened == 1
