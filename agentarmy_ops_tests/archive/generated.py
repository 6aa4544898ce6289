"""Archives as pg_dump might write them, of any schemas, for property-based tests."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from agentarmy_ops.archive.rows import COPY_TERMINATOR
from agentarmy_ops.archive.toc import OFFSET_NO_DATA, OFFSET_NOT_SET, Header, TocEntry
from agentarmy_ops_tests.archive import craft

# All that C's strings can hold.
_characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
names = st.text(_characters, min_size=1, max_size=12).map(str.encode)
_texts = st.text(_characters, max_size=40).map(str.encode)
_numbers = st.integers(0, 2**32 - 1).map(lambda number: b"%d" % number)
# Kinds that pg_restore says something of whatever is in them.
_DESCS = [b"TABLE", b"VIEW", b"FUNCTION", b"INDEX", b"CONSTRAINT", b"SEQUENCE", b"TYPE", b"TRIGGER"]
_ROWS = st.lists(st.binary(max_size=30).map(lambda row: row.replace(b"\n", b"") + b"\n"))
_SEARCH_PATH = b"SELECT pg_catalog.set_config('search_path', '', false);\n"


@dataclass(frozen=True)
class Generated:
    """An archive. ``schema_of`` says of each entry, by dump id, which schema it belongs to, and
    None where that is all of them; ``rows`` are what a table's entry has, ``objects`` what is in
    the large objects of one; ``order`` is that of the data."""

    header: Header
    entries: tuple[TocEntry, ...]
    schema_of: dict[int, bytes | None]
    rows: dict[int, tuple[bytes, ...]]
    objects: dict[int, dict[int, tuple[bytes, ...]]]
    order: tuple[int, ...]

    def archive(self, wanted: Sequence[int] | None = None) -> bytes:
        """The archive, or that of some of its entries."""
        entries = [e for e in self.entries if wanted is None or e.dump_id in wanted]
        blocks = [self._block(i) for i in self.order if wanted is None or i in wanted]
        return craft.archive(entries, *blocks, of=self.header)

    def _block(self, dump_id: int) -> bytes:
        int_size = self.header.int_size
        if dump_id in self.objects:
            return craft.large_objects_block(dump_id, self.objects[dump_id], int_size)
        rows = (*self.rows[dump_id], COPY_TERMINATOR)
        return craft.data_block(dump_id, *rows, int_size=int_size)


@st.composite
def archives(draw: st.DrawFn, versions: Sequence[tuple[int, int, int]]) -> Generated:
    """Entries and data in any order, of one to four schemas."""
    version = draw(st.sampled_from(versions))
    seconds, day = draw(st.integers(0, 59)), draw(st.integers(1, 28))
    header = craft.header(
        version,
        int_size=draw(st.sampled_from([4, 8])),
        offset_size=draw(st.sampled_from([4, 8])),
        created=(seconds, 30, 12, day, 5, 126, 0),
        database=draw(st.none() | names),
    )
    unused = iter(draw(st.lists(st.integers(1, 5_000), unique=True, min_size=64, max_size=64)))
    schema_of: dict[int, bytes | None] = {}
    rows: dict[int, tuple[bytes, ...]] = {}
    objects: dict[int, dict[int, tuple[bytes, ...]]] = {}

    def add(schema: bytes | None, desc: bytes, tag: bytes, **changes: object) -> TocEntry:
        dump_id = next(unused)
        schema_of[dump_id] = schema
        fields = {
            "namespace": schema,
            "section": draw(st.integers(2, 4)),
            "definition": draw(_texts) + b"\n",
            "oid": draw(_numbers),
            "table_oid": draw(_numbers),
            "owner": draw(names),
            "copy_statement": draw(st.none() | st.just(b"")),
            "relkind": draw(st.sampled_from(b"rvm\0")) if version >= (1, 16, 0) else 0,
            "offset": bytes(header.offset_size),
            "offset_state": OFFSET_NO_DATA,
            **changes,
        }
        return craft.entry(dump_id, desc, tag, **fields)

    # pg_restore understands these, and lists none of them.
    beginning = [
        add(None, desc, desc, namespace=None, definition=definition, section=2)
        for desc, definition in (
            (b"ENCODING", b"SET client_encoding = 'UTF8';\n"),
            (b"STDSTRINGS", b"SET standard_conforming_strings = 'on';\n"),
            (b"SEARCHPATH", _SEARCH_PATH),
        )
    ]
    entries = []
    for schema in draw(st.lists(names, unique=True, min_size=1, max_size=4)):
        itself = add(schema, b"SCHEMA", schema, namespace=None)
        entries.append(itself)
        for desc in draw(st.lists(st.sampled_from(_DESCS), max_size=3)):
            dependencies = draw(st.sets(st.sampled_from([e.dump_id for e in entries])))
            own = {d for d in dependencies if schema_of[d] == schema}
            entries.append(
                add(schema, desc, draw(names), dependencies=tuple(b"%d" % d for d in sorted(own)))
            )
        quoted = b'SCHEMA "' + schema.replace(b'"', b'""') + b'"'
        if draw(st.booleans()):
            entries.append(add(schema, b"COMMENT", quoted, namespace=None))
        if draw(st.booleans()):
            on_itself = (b"%d" % itself.dump_id,)
            entries.append(add(schema, b"CAST", b"c", namespace=None, dependencies=on_itself))
        for number in range(draw(st.integers(0, 3))):
            table = add(
                schema,
                b"TABLE DATA",
                draw(names),
                has_dumper=1,
                definition=b"",
                copy_statement=b"COPY the_table FROM stdin; -- %d of %s\n" % (number, schema),
                section=3,
                offset_state=OFFSET_NOT_SET,
            )
            rows[table.dump_id] = tuple(draw(_ROWS))
            entries.append(table)
    for first in draw(st.lists(st.integers(1, 2**30), unique=True, max_size=2)):
        large = add(
            None,
            b"BLOBS",
            b"BLOBS",
            namespace=None,
            has_dumper=1,
            definition=b"",
            section=3,
            offset_state=OFFSET_NOT_SET,
        )
        pieces = st.lists(st.binary(min_size=1, max_size=30), max_size=3).map(tuple)
        found = draw(st.lists(pieces, min_size=1, max_size=3))
        by_oid = [(first + number, data) for number, data in enumerate(found)]
        objects[large.dump_id] = dict(draw(st.permutations(by_oid)))
        entries.append(large)
    return Generated(
        header,
        (*beginning, *draw(st.permutations(entries))),
        schema_of,
        rows,
        objects,
        tuple(draw(st.permutations([*rows, *objects]))),
    )
