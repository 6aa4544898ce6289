"""Rows of a table as an archive holds them, read from a database."""

import hashlib
from collections.abc import Mapping

import psycopg

from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.tools import session_options

# What pg_dump sets in its session (setup_connection in pg_dump.c).
AS_PG_DUMP = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "synchronize_seqscans": "off",
    "search_path": "",
}


def reading_as_pg_dump(
    database: ConnInfo, encoding: str, settings: Mapping[str, str] | None = None
) -> ConnInfo:
    """The same database, in sessions in which values become the text that pg_dump makes of them,
    in this encoding; ``settings`` are further ones of the session."""
    ours = session_options({**(settings or {}), **AS_PG_DUMP})
    theirs = database.params.get("options", "")
    return database.with_params(options=f"{theirs} {ours}".strip(), client_encoding=encoding)


def copy_out(database: ConnInfo, statement: bytes, lc_monetary: str) -> tuple[int, int, str]:
    """:func:`digest_rows` in a session of its own, which has the settings of pg_dump's.

    Raises:
        DatabaseError: PostgreSQL refuses.
    """
    options = session_options({"lc_monetary": lc_monetary, **AS_PG_DUMP})
    with database.connect(options=options) as connection:
        return digest_rows(connection, statement)


def digest_rows(connection: Connection, statement: bytes) -> tuple[int, int, str]:
    """Rows, bytes and sha256 of a table's data, by the COPY statement of an archive
    (``COPY tenant_acme.users (id, name) FROM stdin;``) turned around.

    Raises:
        DatabaseError: PostgreSQL refuses.
    """
    query = statement.rstrip().removesuffix(b"FROM stdin;") + b"TO STDOUT"
    digest, rows, size = hashlib.sha256(), 0, 0
    try:
        with connection.cursor().copy(query) as copy:
            for data in copy:
                digest.update(data)
                rows += bytes(data).count(b"\n")
                size += len(data)
    except psycopg.Error as error:
        raise DatabaseError(f"cannot read rows: {reason(error)}") from error
    return rows, size, digest.hexdigest()
