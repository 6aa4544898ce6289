"""Every way a backup can be bad ends in the verdict ``failed``, with the cause named."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentarmy_ops.archive.primitives import encode_integer
from agentarmy_ops.backups.catalog import list_backups, load_verdicts
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify import verify_backups
from agentarmy_ops_tests.backups.damage import (
    block_boundaries,
    block_of,
    edit_manifest,
    plain_archive,
    replace_archive,
    replace_object,
    split,
    tools_that_run,
)
from agentarmy_ops_tests.fix_backups import Backups, Lab

NOT_WHAT_WAS_WRITTEN = "the stored archive is not the one that was written"
NOT_AS_DESCRIBED = "the archive is not what its manifest describes"


def _failed(backups: Backups, slug: str = "acme") -> Verdict:
    """The verdict on a backup, which is ``failed`` and in the store."""
    ref = backups.ref(slug)
    (verdict,) = backups.lab.verify(ref)
    assert (verdict.status, bool(verdict.causes)) == (Status.FAILED, True), verdict
    (entry,) = list_backups(backups.lab.store, slug)
    assert list(load_verdicts(backups.lab.store, entry)) == [verdict]
    return verdict


def test_undamaged_backups_are_verified_and_the_verdicts_stored(backups: Backups) -> None:
    for verdict in backups.lab.verify(backups.ref("acme"), backups.ref("globex")):
        assert (verdict.status, verdict.summary) == (Status.VERIFIED, "verified")
        assert verdict.archive_sha256 == backups.manifests[verdict.slug].archive.sha256
        assert verdict.platform_backup_id == backups.ref(None).backup_id
        assert (verdict.restore_seconds or 0) > 0
        assert (verdict.dump_seconds or 0) > 0
        (entry,) = list_backups(backups.lab.store, verdict.slug)
        assert list(load_verdicts(backups.lab.store, entry)) == [verdict]


def _flip(backups: Backups, position: int | str, *, adjust: bool) -> None:
    stored = bytearray(backups.path(backups.ref("acme").archive).read_bytes())
    stored[len(stored) // 2 if isinstance(position, str) else position] ^= 0x10
    replace_object(backups, "acme", bytes(stored), adjust=adjust)


# Of the stored object: magic number, frame header (4, 5), first block, middle, and checksum.
@pytest.mark.parametrize("position", [0, 4, 5, 12, "middle", -1])
def test_a_flipped_bit(backups: Backups, position: int | str) -> None:
    """Also where it changes nothing that comes out: unused bits of the frame header."""
    _flip(backups, position, adjust=False)
    assert _failed(backups).causes[0].startswith(NOT_WHAT_WAS_WRITTEN)


@pytest.mark.parametrize("position", [0, 12, "middle", -1])
def test_a_flipped_bit_whose_measure_was_adjusted(backups: Backups, position: int | str) -> None:
    _flip(backups, position, adjust=True)
    (cause,) = _failed(backups).causes
    assert cause.startswith(("the stored object is damaged", "the archive is cut short"))


@pytest.mark.parametrize("adjust", [False, True])
@pytest.mark.parametrize("length", [0, 3, 20, "half", -5])
def test_a_truncated_object(backups: Backups, length: int | str, adjust: bool) -> None:
    stored = backups.path(backups.ref("acme").archive).read_bytes()
    kept = stored[: len(stored) // 2 if isinstance(length, str) else length]
    replace_object(backups, "acme", kept, adjust=adjust)
    verdict = _failed(backups)
    assert verdict.causes[0].startswith(NOT_WHAT_WAS_WRITTEN) is not adjust
    assert "cut short" in verdict.summary or "damaged" in verdict.summary


@pytest.mark.parametrize("which", [0, 1])
def test_an_archive_cut_where_a_table_begins(backups: Backups, which: int) -> None:
    plain = plain_archive(backups, "acme")
    replace_archive(backups, "acme", plain[: block_boundaries(plain)[which]], adjust=True)
    verdict = _failed(backups)
    assert "the archive is cut short: no data of tenant_acme." in verdict.summary


def test_bytes_after_the_archives_end(backups: Backups) -> None:
    replace_archive(backups, "acme", plain_archive(backups, "acme") + b"\x07", adjust=True)
    assert "cut short" in _failed(backups).summary


def test_a_table_that_comes_twice(backups: Backups) -> None:
    plain = plain_archive(backups, "acme")
    first, second, *_ = block_boundaries(plain)
    replace_archive(backups, "acme", plain + plain[first:second], adjust=True)
    assert "which expects none" in _failed(backups).summary


def test_a_changed_row_without_the_manifest(backups: Backups) -> None:
    plain = plain_archive(backups, "acme").replace(b"note 7: ", b"note 8: ")
    replace_archive(backups, "acme", plain, adjust=False)
    verdict = _failed(backups)
    assert verdict.causes[0].startswith(NOT_WHAT_WAS_WRITTEN)
    assert verdict.causes[1] == NOT_AS_DESCRIBED


def test_a_changed_row_whose_measure_was_adjusted(backups: Backups) -> None:
    plain = plain_archive(backups, "acme").replace(b"note 7: ", b"note 8: ")
    replace_archive(backups, "acme", plain, adjust=True)
    verdict = _failed(backups)
    assert verdict.causes == (NOT_AS_DESCRIBED,)
    assert [str(difference) for difference in verdict.differences] == [
        "data of tenant_acme.notes: changed (400 rows, other content)"
    ]


def test_rows_missing_from_a_table(backups: Backups) -> None:
    toc, data = split(plain_archive(backups, "acme"))
    notes = block_of(toc, "notes", b"\\.\n\n\n")
    # Data blocks come in the order of the tables' names.
    _, second, third = block_boundaries(toc.encode() + data)
    assert third == len(toc.encode() + data)
    users = (toc.encode() + data)[second:third]
    replace_archive(backups, "acme", toc.encode() + notes + users, adjust=True)
    verdict = _failed(backups)
    assert [str(difference) for difference in verdict.differences] == [
        "data of tenant_acme.notes: changed (rows 400 -> 0)"
    ]


def test_rows_that_do_not_end_as_pg_dump_ends_them(backups: Backups) -> None:
    """Without its end, the archive that follows would be read as rows."""
    plain = plain_archive(backups, "acme")
    cut = plain.replace(encode_integer(5) + b"\\.\n\n\n", encode_integer(5) + b"xxxx\n", 1)
    assert cut != plain
    replace_archive(backups, "acme", cut, adjust=True)
    assert "table data does not end as COPY data does" in _failed(backups).summary


@pytest.mark.parametrize(
    ("desc", "tag"), [(b"POLICY", b"notes tenant_isolation"), (b"ROW SECURITY", b"notes")]
)
def test_an_entry_removed_from_the_table_of_contents(
    backups: Backups, desc: bytes, tag: bytes
) -> None:
    toc, data = split(plain_archive(backups, "acme"))
    kept = [entry for entry in toc.entries if (entry.desc, entry.tag) != (desc, tag)]
    assert len(kept) == len(toc.entries) - 1
    replace_archive(backups, "acme", toc.with_entries(kept).encode() + data, adjust=True)
    verdict = _failed(backups)
    assert verdict.causes == (NOT_AS_DESCRIBED,)
    assert [str(difference) for difference in verdict.differences] == [
        f"{desc.decode()} tenant_acme.{tag.decode()}: missing"
    ]


@pytest.mark.parametrize("adjust", [False, True])
def test_another_tenants_archive(backups: Backups, adjust: bool) -> None:
    stored = backups.path(backups.ref("globex").archive).read_bytes()
    replace_object(backups, "acme", stored, adjust=adjust)
    verdict = _failed(backups)
    assert verdict.causes[0].startswith(NOT_WHAT_WAS_WRITTEN) is not adjust
    assert verdict.causes[-1] == "the archive holds schema tenant_globex, not tenant_acme"


def test_another_tenants_backup_copied_whole(backups: Backups) -> None:
    acme, globex = (backups.path(backups.ref(slug).prefix) for slug in ("acme", "globex"))
    shutil.rmtree(acme)
    shutil.copytree(globex, acme)
    (cause,) = _failed(backups).causes
    assert cause.endswith(f"is the manifest of another backup: {backups.ref('globex')}")


def test_a_manifest_that_names_another_backups_archive(backups: Backups) -> None:
    other = backups.ref("globex").archive
    edit_manifest(backups, "acme", lambda d: d["archive"].update(object_name=other))
    (cause,) = _failed(backups).causes
    assert cause.endswith(f"names an archive of another backup: {other}")


def test_a_missing_archive(backups: Backups) -> None:
    backups.path(backups.ref("acme").archive).unlink()
    (cause,) = _failed(backups).causes
    assert cause == f"its archive {backups.ref('acme').archive} is not in the store"


@pytest.mark.parametrize("data", [b"", b"\x00\xff\x00", b"null", b"{}", b'{"format_version": 2}'])
def test_a_manifest_that_is_none(backups: Backups, data: bytes) -> None:
    backups.path(backups.ref("acme").manifest).write_bytes(data)
    (cause,) = _failed(backups).causes
    assert "is not a manifest of this version" in cause


@pytest.mark.parametrize("zeros", [0, 1000])
def test_a_manifest_cut_short_or_overwritten(backups: Backups, zeros: int) -> None:
    path = backups.path(backups.ref("acme").manifest)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(zeros))
    (cause,) = _failed(backups).causes
    assert "is not a manifest of this version" in cause


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda d: d["archive"].update(sha256="0" * 64), NOT_WHAT_WAS_WRITTEN),
        (lambda d: d["archive"].update(stored_bytes=1), NOT_WHAT_WAS_WRITTEN),
        (lambda d: d["fingerprint"]["tables"].pop(), NOT_AS_DESCRIBED),
        (lambda d: d["fingerprint"]["entries"].pop(), NOT_AS_DESCRIBED),
        (lambda d: d["row_level_security"].pop(), "row-level security differs"),
        (lambda d: d["row_level_security"][0]["policies"].append("x"), "row-level security"),
    ],
)
def test_an_edited_manifest(backups: Backups, change: Callable[[Any], None], cause: str) -> None:
    edit_manifest(backups, "acme", change)
    assert _failed(backups).causes[0].startswith(cause)


@pytest.mark.parametrize(
    ("statement", "causes"),
    [
        (
            "DROP POLICY tenant_isolation ON notes",
            ("table notes: policy tenant_isolation is missing",),
        ),
        (
            "ALTER TABLE users NO FORCE ROW LEVEL SECURITY",
            ("table users: row-level security is not forced",),
        ),
        (
            "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
            ("table users: row-level security is not enabled",),
        ),
        (
            "CREATE TABLE forgotten (id integer)",
            (
                "table forgotten: row-level security is not enabled",
                "table forgotten: policy tenant_isolation is missing",
            ),
        ),
    ],
)
def test_a_tenant_that_was_not_isolated_when_it_was_backed_up(
    lab: Lab, statement: str, causes: tuple[str, ...]
) -> None:
    lab.run(statement, "acme")
    manifest = lab.back_up("acme")
    lab.back_up_platform()
    (verdict,) = lab.verify(manifest.ref)
    assert (verdict.status, verdict.causes) == (Status.FAILED, causes)


def test_a_constraint_that_is_valid_by_the_manifest_and_not_after_the_restore(lab: Lab) -> None:
    lab.run("ALTER TABLE notes ADD CONSTRAINT short CHECK (body <> '') NOT VALID", "acme")
    manifest = lab.back_up("acme")
    assert manifest.not_valid == ("short on notes",)
    backups = Backups(lab, {"acme": manifest, None: lab.back_up_platform()})
    (verdict,) = lab.verify(manifest.ref)
    assert verdict.status is Status.VERIFIED
    edit_manifest(backups, "acme", lambda d: d.update(not_valid=[]))
    (verdict,) = lab.verify(manifest.ref)
    assert (verdict.status, verdict.causes) == (Status.FAILED, ("short on notes is not valid",))


def test_rows_that_break_their_own_constraint(lab: Lab) -> None:
    """Nothing is damaged, and yet there is no way back: the worst of surprises."""
    lab.run(
        "CREATE FUNCTION limit_of() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1000;"
        "ALTER TABLE notes ADD CONSTRAINT within CHECK (id < limit_of());"
        "CREATE OR REPLACE FUNCTION limit_of() RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1",
        "acme",
    )
    manifest = lab.back_up("acme")
    lab.back_up_platform()
    (verdict,) = lab.verify(manifest.ref)
    assert verdict.status is Status.FAILED
    (cause,) = verdict.causes
    assert cause.startswith('it cannot be restored: pg_restore: COPY failed for table "notes"')
    assert 'violates check constraint "within"' in cause


def test_a_restore_that_gives_something_else_is_named(lab: Lab, tmp_path: Path) -> None:
    manifest = lab.back_up("acme")
    lab.back_up_platform()
    # Nothing happens to the platform part, which has no such tables.
    grants = "GRANT SELECT ON tenant_acme.notes, tenant_acme.users TO pg_monitor"
    verifier = replace(lab.verifier(), bin_dirs=(tools_that_run(lab.tools, tmp_path, grants),))
    (verdict,) = verify_backups(verifier, [manifest.ref])
    assert verdict.status is Status.FAILED
    assert verdict.causes == ("restored and dumped again, it is not the same",)
    assert [str(difference) for difference in verdict.differences] == [
        "ACL tenant_acme.TABLE notes: unexpected",
        "ACL tenant_acme.TABLE users: unexpected",
    ]
    assert verdict.summary.startswith(f"{verdict.causes[0]}: ACL tenant_acme.TABLE notes")


@pytest.mark.parametrize("spoilt", [False, True])
def test_columns_in_another_order_excuse_no_other_row(
    lab: Lab, tmp_path: Path, spoilt: bool
) -> None:
    """A child table that was adopted gets its columns in another order by a restore. The
    pg_restore here goes on to change a row of it."""
    lab.run(
        "CREATE TABLE parent (a integer); CREATE TABLE child (own text, a integer);"
        "INSERT INTO child VALUES ('mine', 1); ALTER TABLE child INHERIT parent;"
        "ALTER TABLE parent ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "ALTER TABLE child ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY tenant_isolation ON parent; CREATE POLICY tenant_isolation ON child",
        "acme",
    )
    manifest = lab.back_up("acme")
    lab.back_up_platform()
    statement = "UPDATE tenant_acme.child SET own = upper(own)" if spoilt else "SELECT 1"
    verifier = replace(lab.verifier(), bin_dirs=(tools_that_run(lab.tools, tmp_path, statement),))
    (verdict,) = verify_backups(verifier, [manifest.ref])
    if spoilt:
        assert verdict.status is Status.FAILED
        assert verdict.causes == ("restored and dumped again, it is not the same",)
    else:
        assert verdict.status is Status.VERIFIED
        assert set(verdict.rewritten) == {
            "TABLE tenant_acme child",
            "TABLE DATA tenant_acme child",
        }
