"""Run the package's own SQL files over a connection."""

from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.postgres.reasons import reason

Connection = psycopg.Connection[Any]


def query(
    connection: Connection, name: str, *, beside: str = __file__, **params: object
) -> list[DictRow]:
    """Run ``sql/{name}.sql`` beside a module and return its rows as dictionaries.

    Raises:
        DatabaseError: PostgreSQL refused it.
    """
    text = load_sql(beside, name)
    if b"schema_objects" in text:
        text = load_sql(__file__, "schema_objects") + text
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(text, params).fetchall()
    except psycopg.Error as error:
        raise DatabaseError(f"cannot read the catalogue: {reason(error)}") from error
