"""Make archives, and parts of them, without a database."""

from collections.abc import Mapping, Sequence

from agentarmy_ops.archive.data import BLOCK_DATA, BLOCK_LARGE_OBJECTS
from agentarmy_ops.archive.primitives import encode_integer
from agentarmy_ops.archive.toc import OFFSET_NOT_SET, Header, TableOfContents, TocEntry


def header(version: tuple[int, int, int] = (1, 15, 0), **changes: object) -> Header:
    """A header as PostgreSQL 16 writes it."""
    fields: dict[str, object] = {
        "version": version,
        "int_size": 4,
        "offset_size": 8,
        "compression": 0,
        "created": (1, 2, 3, 4, 5, 126, 0),
        "database": b"app",
        "server_version": b"16.14",
        "tool_version": b"16.14",
    }
    return Header(**{**fields, **changes})  # type: ignore[arg-type]


def entry(dump_id: int, desc: bytes, tag: bytes, **changes: object) -> TocEntry:
    """An entry of schema tenant_a."""
    fields: dict[str, object] = {
        "dump_id": dump_id,
        "has_dumper": 0,
        "table_oid": b"1259",
        "oid": str(16384 + dump_id).encode(),
        "tag": tag,
        "desc": desc,
        "section": 2,
        "definition": b"CREATE something;\n",
        "drop_statement": b"",
        "copy_statement": None,
        "namespace": b"tenant_a",
        "tablespace": b"",
        "table_am": None,
        "relkind": 0,
        "owner": b"agentarmy_owner",
        "with_oids": b"false",
        "dependencies": (),
        "offset_state": OFFSET_NOT_SET,
        "offset": bytes(8),
    }
    return TocEntry(**{**fields, **changes})  # type: ignore[arg-type]


def table_data(dump_id: int, table: bytes, **changes: object) -> TocEntry:
    """The entry of a table's rows."""
    copy = b"COPY tenant_a." + table + b" (id) FROM stdin;\n"
    return entry(dump_id, b"TABLE DATA", table, has_dumper=1, copy_statement=copy, **changes)


def schema(dump_id: int, name: bytes, **changes: object) -> TocEntry:
    """The entry of a schema itself, which is in no schema."""
    fields: dict[str, object] = {"table_oid": b"2615", "namespace": None, **changes}
    return entry(dump_id, b"SCHEMA", name, **fields)


def shared(dump_id: int, desc: bytes, tag: bytes, **changes: object) -> TocEntry:
    """An entry that belongs to the whole archive."""
    fields: dict[str, object] = {"table_oid": b"0", "oid": b"0", "namespace": None, "owner": b""}
    return entry(dump_id, desc, tag, **{**fields, **changes})


def chunks(pieces: Sequence[bytes], int_size: int = 4) -> bytes:
    """Data as a block has it: each piece with its length, then the end."""
    encoded = (encode_integer(len(piece), int_size) + piece for piece in pieces if piece)
    return b"".join(encoded) + encode_integer(0, int_size)


def data_block(dump_id: int, *pieces: bytes, int_size: int = 4) -> bytes:
    """The rows of a table."""
    return bytes([BLOCK_DATA]) + encode_integer(dump_id, int_size) + chunks(pieces, int_size)


def large_objects_block(
    dump_id: int, objects: Mapping[int, Sequence[bytes]], int_size: int = 4
) -> bytes:
    """Large objects by oid, each in pieces."""
    parts = [bytes([BLOCK_LARGE_OBJECTS]), encode_integer(dump_id, int_size)]
    for oid, pieces in objects.items():
        parts += [encode_integer(oid, int_size), chunks(pieces, int_size)]
    return b"".join([*parts, encode_integer(0, int_size)])


def archive(entries: Sequence[TocEntry], *blocks: bytes, of: Header | None = None) -> bytes:
    """A whole archive."""
    return TableOfContents(of or header(), tuple(entries)).encode() + b"".join(blocks)
