"""Entries are left out of a real archive, and pg_restore takes what remains."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.exclude import entries_to_exclude, exclude_entries
from agentarmy_ops.archive.toc import read_toc
from agentarmy_ops.errors import ArchiveError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops_tests.archive import craft
from agentarmy_ops_tests.archive.conftest import PgDump
from agentarmy_ops_tests.databases import program_dsn

TWO_TABLES = (
    "CREATE TABLE kept (id integer PRIMARY KEY); INSERT INTO kept VALUES (1), (2);"
    "CREATE TABLE gone (id serial PRIMARY KEY, body text); INSERT INTO gone (body) VALUES ('x');"
    "COMMENT ON TABLE gone IS 'with a comment'; GRANT SELECT ON gone TO PUBLIC;"
    "CREATE INDEX gone_body ON gone (body); CREATE VIEW on_gone AS SELECT id FROM gone;"
    "CREATE VIEW on_kept AS SELECT id FROM kept;"
)
LARGE_OBJECTS = (
    "SELECT lo_from_bytea(50001, 'first'), lo_from_bytea(50002, 'second'),"
    " lo_from_bytea(50003, repeat('third ', 100000)::bytea), lo_from_bytea(50004, '');"
)


def _without(archive: bytes, desc: bytes, tag: bytes) -> bytes:
    _, toc = read_toc(io.BytesIO(archive))
    catalog_ids = {e.catalog_id for e in toc.entries if (e.desc, e.tag) == (desc, tag)}
    assert len(catalog_ids) == 1
    return exclude_entries(io.BytesIO(archive), catalog_ids).read()


def _names(major: int, archive: bytes, path: Path) -> set[str]:
    """What pg_restore lists."""
    path.write_bytes(archive)
    listed = subprocess.run(
        [find_tools(major).program("pg_restore"), "--list", str(path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [line for line in listed.splitlines() if line and not line.startswith(";")]
    return {line.split(maxsplit=3)[3] for line in lines}


@pytest.mark.parametrize("major", [16, 18])
def test_an_object_goes_with_all_that_depends_on_it_and_nothing_else(
    major: int, pg_dump: PgDump, tmp_path: Path
) -> None:
    archive = pg_dump(major, TWO_TABLES)
    before = _names(major, archive, tmp_path / "before")
    after = _names(major, _without(archive, b"TABLE", b"gone"), tmp_path / "after")
    assert after < before
    assert before - after == {name for name in before if "gone" in name}
    kept = ["TABLE public kept", "TABLE DATA public kept", "VIEW public on_kept"]
    for name in (*kept, "CONSTRAINT public kept kept_pkey"):
        assert f"{name} postgres" in after


@pytest.mark.parametrize("major", [16, 18])
def test_large_objects_stay_whole_when_something_else_is_left_out(
    major: int,
    pg_dump: PgDump,
    scratch_servers: Callable[[int], ConnInfo],
    new_database: Callable[[ConnInfo], ConnInfo],
) -> None:
    archive = pg_dump(major, TWO_TABLES + LARGE_OBJECTS)
    smaller = _without(archive, b"TABLE", b"gone")
    before, after = (describe(io.BytesIO(data)).fingerprint for data in (archive, smaller))
    assert [table.table for table in after.tables if not table.namespace] == [
        table.table for table in before.tables if not table.namespace
    ]
    database = new_database(scratch_servers(major))
    subprocess.run(
        [
            find_tools(major).program("pg_restore"),
            "--exit-on-error",
            f"--dbname={program_dsn(database)}",
        ],
        input=smaller,
        check=True,
    )
    with database.connect() as connection:
        objects: dict[int, bytes] = dict(
            connection.execute(
                "SELECT oid::int, lo_get(oid) FROM pg_largeobject_metadata"
            ).fetchall()
        )
        kept = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert objects == {
        50001: b"first",
        50002: b"second",
        50003: b"third " * 100000,
        50004: b"",
    }
    assert kept == (2,)


def test_dependencies_are_followed_in_any_order_and_to_the_end() -> None:
    def dependent(dump_id: int, *on: int) -> object:
        return craft.entry(dump_id, b"VIEW", b"v", dependencies=tuple(str(i).encode() for i in on))

    chain = [dependent(i, i + 1) for i in range(1, 300)]
    entries = [*chain, craft.entry(300, b"TABLE", b"t"), craft.entry(301, b"TABLE", b"u")]
    _, toc = read_toc(io.BytesIO(craft.archive(entries)))  # type: ignore[arg-type]
    assert entries_to_exclude(toc, {(1259, 16384 + 300)}) == frozenset(range(1, 301))
    assert entries_to_exclude(toc, {(1259, 1)}) == frozenset()


def test_a_damaged_archive_is_noticed_while_it_is_read(pg_dump: PgDump) -> None:
    archive = pg_dump(16, TWO_TABLES)
    with pytest.raises(ArchiveError, match="cut short"):
        exclude_entries(io.BytesIO(archive[:-3]), {(1, 1)}).read()
