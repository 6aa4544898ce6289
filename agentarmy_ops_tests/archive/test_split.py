"""Each part of a split archive is what a dump of its schema alone would have been."""

import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest
from psycopg import sql

from agentarmy_ops.archive.data import Sink, read_blocks
from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.archive.placement import place_entries
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.archive.rows import COPY_TERMINATOR
from agentarmy_ops.archive.split import split
from agentarmy_ops.archive.toc import TocEntry, read_toc
from agentarmy_ops.errors import ArchiveError, PlacementError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests import hard_schema
from agentarmy_ops_tests.archive import craft, stock
from agentarmy_ops_tests.archive.conftest import PgDump
from agentarmy_ops_tests.archive.fragments import Fragments, in_pieces
from agentarmy_ops_tests.fix_backups import Lab

NewDatabase = Callable[[ConnInfo], ConnInfo]
Servers = Callable[[int], ConnInfo]

BOTH = pytest.mark.parametrize("major", [16, 18])
_FLEET_TENANT = (Path(__file__).parent / "sql" / "fleet_tenant.sql").read_text()
PLAIN, ODD, REFERRED = "tenant_plain", "tenant_odd", 'tenant_"Groß" %s. name'


@dataclass(frozen=True)
class Made:
    """A part as it was when it was yielded."""

    archive: bytes
    description: Description


def _split(stream: Readable, schemas: Sequence[str]) -> Iterator[tuple[str, Made]]:
    sinks: dict[str, bytearray] = {}

    def open_sink(schema: str) -> Sink:
        assert schema not in sinks
        return sinks.setdefault(schema, bytearray()).extend

    for part in split(stream, schemas, open_sink):
        yield part.schema, Made(bytes(sinks[part.schema]), part.description)


def split_whole(archive: bytes, schemas: Sequence[str]) -> dict[str, Made]:
    """All parts, in the order they were yielded."""
    return dict(_split(io.BytesIO(archive), schemas))


def _blocks(archive: bytes) -> list[tuple[str, bytes]]:
    """The data of each entry as the archive has it, but for the dump id, in its order."""
    source, toc = read_toc(io.BytesIO(archive))
    names = {e.dump_id: f"{e.desc!r} {e.namespace!r} {e.tag!r}" for e in toc.entries}
    found = []
    for block in read_blocks(source, toc.header):
        _, *pieces = (bytes(piece.raw) for piece in block.pieces)
        found.append((names[block.dump_id], b"".join(pieces)))
    return found


def _differing(one: Iterable[object], other: Iterable[object]) -> list[tuple[object, object]]:
    """The first pairs that differ: comparing long lists as such takes pytest minutes to print."""
    pairs = zip_longest(one, other)
    return [pair for pair in pairs if pair[0] != pair[1]][:3]


def _assert_same(major: int, part: Made, alone: bytes) -> None:
    again, expected = describe(io.BytesIO(part.archive)), describe(io.BytesIO(alone))
    assert part.description == again
    assert not _differing(again.fingerprint.entries, expected.fingerprint.entries)
    assert not _differing(again.fingerprint.tables, expected.fingerprint.tables)
    assert again.fingerprint.sha256 == expected.fingerprint.sha256
    assert not _differing(_blocks(part.archive), _blocks(alone))
    assert not _differing(stock.listing(major, part.archive), stock.listing(major, alone))
    assert not _differing(stock.script(major, part.archive), stock.script(major, alone))


def _run(database: ConnInfo, statements: str) -> None:
    with database.connect() as connection:
        connection.execute(statements.encode())


# -- Real archives, against dumps of the same snapshot ---------------------------------------


@dataclass(frozen=True)
class HardTenants:
    """Hard tenants in one database, the archive of all of them, and its parts."""

    major: int
    dump: stock.Dumper
    parts: Mapping[str, Made]


@pytest.fixture(scope="module", params=[16, 18])
def hard(request: pytest.FixtureRequest, hard_labs: Callable[[int], Lab]) -> Iterator[HardTenants]:
    major: int = request.param
    database = hard_labs(major).database
    for schema in (PLAIN, ODD, REFERRED):
        hard_schema.create_hard_tenant(database, schema, uuid.uuid4())
    # These make tenants depend on one another, so that no part can be restored alone.
    crossing = {"foreign_key_to_other_tenant", "extension_in_tenant_schema"}
    for name in hard_schema.OUTSIDE:
        if name not in crossing:
            hard_schema.apply_outside(database, name, ODD, uuid.uuid4())
    with stock.dumper(major, database) as dump:
        schemas = [PLAIN, ODD, REFERRED]
        yield HardTenants(major, dump, split_whole(dump(*schemas), schemas))


@pytest.mark.parametrize("schema", [PLAIN, ODD, REFERRED])
def test_a_hard_tenants_part_is_its_stand_alone_dump(hard: HardTenants, schema: str) -> None:
    part = hard.parts[schema]
    assert len(part.description.toc.entries) > 1000
    _assert_same(hard.major, part, hard.dump(schema))


def test_a_hard_tenants_part_restores_and_its_dump_is_the_part(
    hard: HardTenants, live_servers: Servers, new_database: NewDatabase
) -> None:
    part = hard.parts[PLAIN]
    database = new_database(live_servers(hard.major))
    hard_schema.create_shared(database)
    stock.restore(hard.major, part.archive, database)
    with stock.dumper(hard.major, database) as dump:
        restored = describe(io.BytesIO(dump(PLAIN))).fingerprint
    assert not _differing(restored.entries, part.description.fingerprint.entries)
    assert not _differing(restored.tables, part.description.fingerprint.tables)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "foreign_key_to_other_tenant",
            f"FK CONSTRAINT {ODD} borrowed to_other_tenant of {ODD} depends on schema {PLAIN}",
        ),
        (
            "extension_in_tenant_schema",
            f"TABLE {PLAIN} embeddings of {PLAIN} depends on schema {ODD}",
        ),
    ],
)
@BOTH
def test_tenants_that_depend_on_one_another_are_not_split(
    major: int, name: str, reason: str, hard_labs: Callable[[int], Lab]
) -> None:
    database = hard_labs(major).database
    for schema in (PLAIN, ODD):
        hard_schema.create_hard_tenant(database, schema, uuid.uuid4())
    hard_schema.apply_outside(database, name, ODD, uuid.uuid4(), other_schema=PLAIN)
    with stock.dumper(major, database) as dump:
        whole = dump(PLAIN, ODD)
        with pytest.raises(PlacementError) as refused:
            split_whole(whole, [PLAIN, ODD])
        assert str(refused.value) == reason


def _fleet(database: ConnInfo, schemas: Sequence[str], together: int = 20) -> None:
    hard_schema.create_roles(database)
    for begin in range(0, len(schemas), together):
        with database.connect() as connection:
            for number, schema in enumerate(schemas[begin : begin + together], begin):
                name = sql.Identifier(schema)
                connection.execute(
                    sql.SQL("CREATE SCHEMA {} AUTHORIZATION agentarmy_owner").format(name)
                )
                connection.execute(
                    "SELECT set_config('search_path', %s, true),"
                    " set_config('app.number', %s, true),"
                    " set_config('role', 'agentarmy_owner', true)",
                    [name.as_string(), str(number)],
                )
                connection.execute(_FLEET_TENANT.encode())
                connection.execute("RESET ROLE")


@BOTH
def test_the_parts_of_200_tenants_are_their_stand_alone_dumps(
    major: int, live_servers: Servers, new_database: NewDatabase
) -> None:
    database = new_database(live_servers(major))
    schemas = [f"tenant_{number:03}" for number in range(200)]
    _fleet(database, schemas)
    with stock.dumper(major, database) as dump, ThreadPoolExecutor(2) as two:
        parts = split_whole(dump(*schemas), schemas)
        assert [*parts] == schemas
        assert sum(part.description.fingerprint.rows for part in parts.values()) == 1188

        def compare(schema: str) -> None:
            _assert_same(major, parts[schema], dump(schema))

        list(two.map(compare, schemas))
    stock.restore(major, parts["tenant_107"].archive, new_database(live_servers(major)))


@BOTH
def test_schemas_of_any_name_get_their_own_comment_and_grants(
    major: int, live_servers: Servers, new_database: NewDatabase
) -> None:
    """A tag has the name as SQL has it, quoted where SQL needs that."""
    schemas = [
        "a b",
        '"a b"',
        '"',
        '""',
        "Upper",
        "upper",
        "select",
        "with.dot",
        "new\nline",
        "SCHEMA x",
        "x",
        "ünïcode-😀",
        "%s",
        "back\\slash",
        "quote's",
    ]
    database = new_database(live_servers(major))
    _fleet(database, schemas)
    with stock.dumper(major, database) as dump:
        parts = split_whole(dump(*schemas), schemas)
        assert parts.keys() == set(schemas)
        for number, schema in enumerate(schemas):
            part = parts[schema]
            _assert_same(major, part, dump(schema))
            own = {e.desc: e for e in part.description.toc.entries if not e.namespace}
            assert own[b"SCHEMA"].tag == schema.encode()
            assert f"'number {number}'".encode() in (own[b"COMMENT"].definition or b"")
            assert b"TO hard_reader" in (own[b"ACL"].definition or b"")


@BOTH
def test_a_schema_without_data_is_whole_and_one_that_is_not_there_is_no_part(
    major: int, live_servers: Servers, new_database: NewDatabase
) -> None:
    database = new_database(live_servers(major))
    _run(
        database,
        "CREATE SCHEMA tenant_a; CREATE TABLE tenant_a.t (); CREATE SCHEMA tenant_empty;"
        "COMMENT ON SCHEMA tenant_empty IS 'nothing in it'; CREATE SCHEMA tenant_view;"
        "CREATE VIEW tenant_view.v AS SELECT 1 AS one; CREATE SCHEMA tenant_not_asked_for;",
    )
    asked = ["tenant_a", "tenant_empty", "tenant_gone", "tenant_view"]
    with stock.dumper(major, database) as dump:
        parts = split_whole(dump(*asked), asked)
        assert [*parts] == ["tenant_empty", "tenant_view", "tenant_a"]
        for schema, part in parts.items():
            _assert_same(major, part, dump(schema))


LARGE_OBJECTS = (
    "CREATE SCHEMA tenant_a; CREATE TABLE tenant_a.t AS SELECT 1 AS id;"
    "CREATE SCHEMA tenant_b; CREATE TABLE tenant_b.t AS SELECT 2 AS id;"
    "CREATE SCHEMA tenant_empty;"
    # 18 puts 1,000 with the same owner and grants into an entry.
    "SELECT lo_from_bytea((20000 + i)::oid, i::text::bytea) FROM generate_series(1, 1500) AS i;"
    "SELECT lo_from_bytea(50001, 'first'), lo_from_bytea(50002, 'second'),"
    " lo_from_bytea(50003, repeat(E'third\\n', 400000)::bytea), lo_from_bytea(50004, ''),"
    " lo_from_bytea(4294967295, 'the last oid'), lo_from_bytea(2147483648, 'no int');"
    "COMMENT ON LARGE OBJECT 50001 IS 'one'; GRANT SELECT ON LARGE OBJECT 50002 TO pg_monitor;"
    "ALTER LARGE OBJECT 50003 OWNER TO pg_monitor;"
)


@BOTH
def test_large_objects_belong_to_every_part(
    major: int, live_servers: Servers, new_database: NewDatabase
) -> None:
    database, schemas = new_database(live_servers(major)), ["tenant_a", "tenant_b", "tenant_empty"]
    _run(database, LARGE_OBJECTS)
    with stock.dumper(major, database) as dump:
        parts = split_whole(dump(*schemas, extra=("--blobs",)), schemas)
        assert parts.keys() == set(schemas)
        for schema, part in parts.items():
            _assert_same(major, part, dump(schema, extra=("--blobs",)))
    restored = new_database(live_servers(major))
    stock.restore(major, parts["tenant_b"].archive, restored)
    everything = (
        "SELECT oid, lomowner, lomacl::text, md5(lo_get(oid)),"
        " obj_description(oid, 'pg_largeobject') FROM pg_largeobject_metadata ORDER BY oid"
    )
    with database.connect() as before, restored.connect() as after:
        found = after.execute(everything).fetchall()
        assert found == before.execute(everything).fetchall()
        assert len(found) == 1506
        assert after.execute("SELECT id FROM tenant_b.t").fetchall() == [(2,)]
        assert after.execute("SELECT to_regclass('tenant_a.t')").fetchall() == [(None,)]


# What is in no schema is only dumped where no schema is asked for.


@BOTH
def test_what_is_in_no_schema_goes_with_what_it_depends_on(major: int, pg_dump: PgDump) -> None:
    archive = pg_dump(
        major,
        "CREATE SCHEMA tenant_a; CREATE SCHEMA tenant_b; CREATE TYPE tenant_a.t AS (i integer);"
        "CREATE CAST (tenant_a.t AS text) WITH INOUT; COMMENT ON CAST (tenant_a.t AS text) IS 'c';"
        "CREATE FUNCTION tenant_b.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION tenant_b.f();",
    )
    parts = split_whole(archive, ["tenant_a", "tenant_b"])

    everywhere = {b"ENCODING", b"STDSTRINGS", b"SEARCHPATH", b"DATABASE", b"SCHEMA"}
    found = {
        schema: {e.desc for e in part.description.toc.entries if not e.namespace} - everywhere
        for schema, part in parts.items()
    }
    assert found == {"tenant_a": {b"CAST", b"COMMENT"}, "tenant_b": {b"EVENT TRIGGER"}}
    for part in parts.values():
        assert stock.script(major, part.archive)


@pytest.mark.parametrize(
    ("statements", "name"),
    [
        ("CREATE PUBLICATION everything FOR TABLE tenant_a.t", "PUBLICATION everything"),
        ("CREATE VIEW public.of_a AS SELECT * FROM tenant_a.t", "VIEW public of_a"),
        ("CREATE FOREIGN DATA WRAPPER w", "FOREIGN DATA WRAPPER w"),
        ("COMMENT ON SCHEMA public IS 'other'", "COMMENT SCHEMA public"),
        ("CREATE SCHEMA tenant_other", "SCHEMA tenant_other"),
        ("CREATE CAST (tenant_a.t AS tenant_b.t) WITH INOUT", "CAST CAST (tenant_a.t AS tenant_b"),
    ],
)
@BOTH
def test_what_belongs_to_no_tenant_or_to_two_is_refused_by_name(
    major: int, statements: str, name: str, pg_dump: PgDump
) -> None:
    archive = pg_dump(
        major,
        "CREATE SCHEMA tenant_a; CREATE TABLE tenant_a.t (i integer);"
        f"CREATE SCHEMA tenant_b; CREATE TABLE tenant_b.t (i integer); {statements}",
    )
    with pytest.raises(PlacementError) as refused:
        split_whole(archive, ["tenant_a", "tenant_b"])
    assert str(refused.value).startswith(name)


# -- Crafted archives -------------------------------------------------------------------------

SCHEMAS = ["tenant_none", "tenant_a", "tenant_b", "tenant_c"]


@dataclass(frozen=True)
class Crafted:
    """An archive of four schemas: none without data, a with one table, b and c with two."""

    version: tuple[int, int, int] = (1, 15, 0)
    int_size: int = 4
    large_objects: bool = False

    @property
    def everywhere(self) -> list[TocEntry]:
        """What is in every part."""
        shared = [
            craft.shared(1, b"ENCODING", b"ENCODING"),
            craft.shared(2, b"STDSTRINGS", b"STDSTRINGS"),
            craft.shared(3, b"SEARCHPATH", b"SEARCHPATH"),
            craft.shared(4, b"DATABASE", b"app"),
            craft.shared(5, b"COMMENT", b"DATABASE app"),
            craft.shared(6, b"SECURITY LABEL", b"DATABASE app"),
            craft.shared(7, b"ACL", b"DATABASE app"),
        ]
        if self.large_objects:
            shared += [
                craft.shared(90, b"BLOB", b"5000"),
                craft.shared(91, b"BLOB METADATA", b"5001..5002"),
                craft.shared(92, b"ACL", b"LARGE OBJECT 5000", dependencies=(b"90",)),
                craft.shared(93, b"ACL", b"LARGE OBJECTS 5001..5002", dependencies=(b"91",)),
                craft.shared(94, b"COMMENT", b"LARGE OBJECT 5000", dependencies=(b"90",)),
                craft.shared(95, b"SECURITY LABEL", b"LARGE OBJECT 5000", dependencies=(b"90",)),
                craft.shared(96, b"BLOBS", b"BLOBS", has_dumper=1),
            ]
        return shared

    def own(self, schema: str) -> list[TocEntry]:
        """What is in the part of a schema alone."""
        name, first = schema.encode(), SCHEMAS.index(schema) * 10 + 10

        def own(number: int, desc: bytes, tag: bytes, **changes: object) -> TocEntry:
            return craft.entry(first + number, desc, tag, **{"namespace": name, **changes})

        def attached(number: int, desc: bytes) -> TocEntry:
            # Placed by its tag: nothing is said of what it depends on.
            return own(number, desc, b"SCHEMA " + name, namespace=None)

        entries = [
            craft.schema(first, name),
            attached(1, b"ACL"),
            attached(2, b"COMMENT"),
            attached(3, b"SECURITY LABEL"),
        ]
        if schema != "tenant_none":
            entries.append(craft.table_data(first + 4, b"t", namespace=name))
        if schema in {"tenant_b", "tenant_c"}:
            entries += [
                craft.table_data(first + 5, b"u", namespace=name),
                # The first depends on the second, which is placed by what it depends on itself.
                own(6, b"CAST", b"CAST", namespace=None, dependencies=(b"1", b"%d" % (first + 7))),
                own(7, b"CAST", b"CAST", namespace=None, dependencies=(b"%d" % first,)),
            ]
        return entries

    @property
    def entries(self) -> list[TocEntry]:
        """All entries: those of one schema are not in a row."""
        columns = zip_longest(*(self.own(schema) for schema in SCHEMAS))
        mixed = [entry for column in columns for entry in column if entry is not None]
        everywhere = self.everywhere
        return [*everywhere[:4], *mixed, *everywhere[4:]]

    def block(self, dump_id: int) -> bytes:
        """The data of an entry."""
        if dump_id == 96:
            objects = {5000: [b"one", b"object"], 5001: [], 5002: [b"other"]}
            return craft.large_objects_block(dump_id, objects, self.int_size)
        rows = [b"%d of %d\n" % (number, dump_id) for number in range(5)]
        return craft.data_block(dump_id, *rows, COPY_TERMINATOR, int_size=self.int_size)

    @property
    def order(self) -> list[int]:
        """The order of the data: b and c take turns."""
        return [24, 34, 44, 45, 35, *([96] if self.large_objects else [])]

    def archive(self, entries: Sequence[TocEntry], *data: int) -> bytes:
        """The archive of these entries and this data."""
        header = craft.header(self.version, int_size=self.int_size)
        return craft.archive(entries, *map(self.block, data), of=header)

    @property
    def whole(self) -> bytes:
        """The archive of all schemas."""
        return self.archive(self.entries, *self.order)

    def part(self, schema: str) -> bytes:
        """The archive of one schema, as it must be to the byte."""
        wanted = {entry.dump_id for entry in (*self.everywhere, *self.own(schema))}
        entries = [entry for entry in self.entries if entry.dump_id in wanted]
        return self.archive(entries, *(number for number in self.order if number in wanted))

    @property
    def parts(self) -> dict[str, bytes]:
        """Every part."""
        return {schema: self.part(schema) for schema in SCHEMAS}


def _archives(parts: Mapping[str, Made]) -> dict[str, bytes]:
    return {schema: part.archive for schema, part in parts.items()}


@pytest.mark.parametrize("large_objects", [False, True])
@pytest.mark.parametrize("int_size", [4, 8])
@pytest.mark.parametrize("version", [(1, 14, 0), (1, 15, 0), (1, 16, 0)])
def test_parts_are_made_of_the_bytes_of_the_whole(
    version: tuple[int, int, int], int_size: int, large_objects: bool
) -> None:
    crafted = Crafted(version, int_size, large_objects)
    for size in (1, 7, len(crafted.whole)):
        parts = dict(_split(in_pieces(crafted.whole, size), SCHEMAS))
        assert _archives(parts) == crafted.parts
        for part in parts.values():
            assert describe(io.BytesIO(part.archive)) == part.description


def test_a_part_is_yielded_with_the_last_byte_of_its_data() -> None:
    crafted = Crafted()
    stream = Fragments([crafted.archive(crafted.entries), *map(crafted.block, crafted.order)])
    opened: list[str] = []
    written: dict[str, bytearray] = {}

    def open_sink(schema: str) -> Sink:
        opened.append(schema)
        return written.setdefault(schema, bytearray()).extend

    # Fragments: the entries, then a's data, b's, c's, c's, b's.
    moments = [("tenant_none", 1), ("tenant_a", 2), ("tenant_c", 5), ("tenant_b", 6)]
    parts = split(stream, SCHEMAS, open_sink)
    assert opened == []
    for (schema, given), part in zip(moments, parts, strict=False):
        assert (part.schema, stream.given) == (schema, given)
        assert bytes(written[schema]) == crafted.part(schema)
        # A sink is opened when there is something for it.
        assert opened == ["tenant_none", "tenant_a", "tenant_b", "tenant_c"][: stream.given]
    assert list(parts) == []


def test_with_large_objects_parts_are_yielded_at_their_end() -> None:
    crafted = Crafted(large_objects=True)
    stream = Fragments([crafted.archive(crafted.entries), *map(crafted.block, crafted.order)])
    moments = [(schema, stream.given) for schema, _ in _split(stream, SCHEMAS)]
    assert sorted(moments) == sorted((schema, 7) for schema in SCHEMAS)


def test_an_archive_cut_anywhere_gives_whole_parts_and_then_an_error() -> None:
    crafted = Crafted()
    whole, parts = crafted.whole, crafted.parts
    fragments = [crafted.archive(crafted.entries), *map(crafted.block, crafted.order)]
    ends = [sum(map(len, fragments[:count])) for count in (1, 2, 5, 6)]
    for length in range(len(whole)):
        made: dict[str, Made] = {}
        with pytest.raises(ArchiveError, match="cut short"):
            made.update(item for item in _split(io.BytesIO(whole[:length]), SCHEMAS))
        assert _archives(made) == {
            schema: parts[schema]
            for schema, end in zip(("tenant_none", "tenant_a", "tenant_c"), ends, strict=False)
            if end <= length
        }


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([b"\x02" + bytes(5)], "unknown data block type 2"),
        ([craft.data_block(24, COPY_TERMINATOR)], "data of entry 24, which expects none"),
        ([craft.data_block(20, COPY_TERMINATOR)], "data of entry 20, which expects none"),
        ([craft.data_block(999, COPY_TERMINATOR)], "data of entry 999, which expects none"),
        ([craft.data_block(34, b"1\n")], "does not end as COPY data does"),
        ([b"\x01" + b"\0\x22\0\0\0" + b"\1\1\0\0\0"], "a data chunk of -1 bytes"),
        ([], r"no data of tenant_b\.t"),
    ],
)
def test_damage_behind_a_part_leaves_it_whole(blocks: list[bytes], reason: str) -> None:
    crafted = Crafted()
    damaged = crafted.archive(crafted.entries, 24) + b"".join(blocks)
    made: dict[str, Made] = {}
    with pytest.raises(ArchiveError, match=reason):
        made.update(item for item in _split(io.BytesIO(damaged), SCHEMAS))
    assert _archives(made) == {s: crafted.part(s) for s in ("tenant_none", "tenant_a")}


def test_damage_behind_the_last_part_is_no_success() -> None:
    crafted = Crafted()
    made: dict[str, Made] = {}
    with pytest.raises(ArchiveError, match="unknown data block type 9"):
        made.update(_split(io.BytesIO(crafted.whole + b"\x09" + bytes(9)), SCHEMAS))
    assert _archives(made) == crafted.parts


def test_what_a_sink_raises_ends_the_split() -> None:
    def open_sink(schema: str) -> Sink:
        def full(raw: memoryview) -> None:
            if schema == "tenant_b":
                raise OSError("no space")

        return full

    yielded = []
    with pytest.raises(OSError, match="no space"):
        yielded += [part.schema for part in split(io.BytesIO(Crafted().whole), SCHEMAS, open_sink)]
    assert yielded == []


def test_an_archive_of_none_of_the_schemas_has_no_parts() -> None:
    crafted = Crafted()
    assert split_whole(crafted.archive(crafted.everywhere), SCHEMAS) == {}
    assert split_whole(crafted.archive([]), []) == {}


_A, _B, _NAMED = b"tenant_a", b"tenant_b", b'tenant_"odd" name'
_SCHEMA_ENTRIES = [craft.schema(1, _A), craft.schema(2, _B), craft.schema(3, _NAMED)]


def _placed(*more: TocEntry) -> dict[str, set[int]]:
    """Where the entries beside the schemas go, by dump id."""
    archive = craft.archive([*_SCHEMA_ENTRIES, *more])
    _, toc = read_toc(io.BytesIO(archive))
    names = [name.decode() for name in (_A, _B, _NAMED)]
    placement = place_entries(toc, names)
    schemas = {e.dump_id for e in _SCHEMA_ENTRIES}
    return {
        name: ids
        for name, entries in placement.items()
        if (ids := {e.dump_id for e in entries} - schemas)
    }


@pytest.mark.parametrize("desc", [b"ACL", b"COMMENT", b"SECURITY LABEL"])
@pytest.mark.parametrize(
    ("tag", "schema"),
    [
        (b"SCHEMA tenant_a", "tenant_a"),
        (b'SCHEMA "tenant_a"', "tenant_a"),
        (b'SCHEMA "tenant_""odd"" name"', 'tenant_"odd" name'),
    ],
)
def test_what_is_attached_to_a_schema_is_placed_by_its_tag(
    desc: bytes, tag: bytes, schema: str
) -> None:
    assert _placed(craft.shared(9, desc, tag)) == {schema: {9}}


def test_a_namespace_says_more_than_a_tag() -> None:
    """A table may be called ``SCHEMA tenant_a``, or as large objects are."""
    for tag in (b"SCHEMA tenant_a", b"LARGE OBJECT 5", b"DATABASE app"):
        for desc in (b"COMMENT", b"ACL", b"TABLE", b"BLOBS", b"DATABASE"):
            assert _placed(craft.entry(9, desc, tag, namespace=_B)) == {"tenant_b": {9}}


def _cast(dump_id: int, *on: int, **changes: object) -> TocEntry:
    dependencies = tuple(b"%d" % number for number in on)
    return craft.shared(dump_id, b"CAST", b"CAST x", dependencies=dependencies, **changes)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ([_cast(9)], "CAST CAST x belongs to none or several"),
        ([_cast(9, 1, 2)], "CAST CAST x belongs to none or several"),
        ([_cast(9, 8)], "CAST CAST x belongs to none or several"),
        ([_cast(9, 10), _cast(10, 9)], "CAST CAST x belongs to none or several"),
        (
            [craft.shared(8, b"ENCODING", b"ENCODING"), _cast(9, 8)],
            "CAST CAST x belongs to none or several",
        ),
        ([_cast(9, 1, 10), _cast(10, 2)], "CAST CAST x of tenant_a depends on schema tenant_b"),
        (
            [craft.entry(9, b"VIEW", b"v", dependencies=(b"2",))],
            "VIEW tenant_a v of tenant_a depends on schema tenant_b",
        ),
        (
            [craft.entry(9, b"VIEW", b"v", namespace=b"public", dependencies=(b"1",))],
            "VIEW public v ",
        ),
        ([craft.shared(9, b"COMMENT", b"SCHEMA public", dependencies=(b"1",))], "COMMENT SCHEMA p"),
        ([craft.shared(9, b"COMMENT", b"SCHEMAS tenant_a")], "COMMENT SCHEMAS tenant_a "),
        ([craft.shared(9, b"COMMENT", b"TABLE SCHEMA tenant_a")], "COMMENT TABLE SCHEMA tenant_a "),
        ([craft.shared(9, b"TABLE", b"SCHEMA tenant_a")], "TABLE SCHEMA tenant_a "),
        ([craft.shared(9, b"TABLE", b"LARGE OBJECT 5")], "TABLE LARGE OBJECT 5 "),
        ([craft.shared(9, b"COMMENT", b'SCHEMA "tenant_a')], 'COMMENT SCHEMA "tenant_a '),
        ([craft.schema(9, b"tenant_c")], "SCHEMA tenant_c "),
        ([craft.shared(9, b"EXTENSION", b"vector")], "EXTENSION vector "),
    ],
)
def test_what_cannot_be_placed_is_refused_by_name(more: list[TocEntry], reason: str) -> None:
    with pytest.raises(PlacementError) as refused:
        _placed(*more)
    assert str(refused.value).startswith(reason)


def test_an_entry_of_a_schema_whose_own_entry_is_missing_is_refused() -> None:
    archive = craft.archive([craft.schema(1, _A), craft.entry(2, b"TABLE", b"t", namespace=_B)])
    with pytest.raises(PlacementError) as refused:
        split_whole(archive, ["tenant_a", "tenant_b"])
    assert str(refused.value) == "TABLE tenant_b t is of schema tenant_b, which is not there"
