"""Archives as pg_dump writes them."""

import subprocess
from collections.abc import Callable

import pytest

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops_tests.databases import create_database, program_dsn

PgDump = Callable[..., bytes]


@pytest.fixture(scope="session")
def pg_dump(live_servers: Callable[[int], ConnInfo]) -> PgDump:
    """Dump a new database in which ``statements`` were run: ``pg_dump(16, "CREATE …")``, with
    further arguments for pg_dump."""

    def make(major: int, statements: str, *arguments: str) -> bytes:
        database = create_database(live_servers(major))
        with database.connect() as connection:
            connection.execute(statements.encode())
        return subprocess.run(
            [
                find_tools(major).program("pg_dump"),
                "--format=custom",
                "--compress=0",
                f"--dbname={program_dsn(database)}",
                *arguments,
            ],
            check=True,
            capture_output=True,
        ).stdout

    return make


TINY = (
    "CREATE SCHEMA tenant_a; CREATE TABLE tenant_a.t (id integer PRIMARY KEY, body text);"
    "INSERT INTO tenant_a.t VALUES (1, 'one'), (2, E'two\\nlines'), (3, '\\.'), (4, NULL);"
    "CREATE TABLE tenant_a.empty ();"
)


@pytest.fixture(scope="session")
def tiny_archives(pg_dump: PgDump) -> dict[int, bytes]:
    """Archives of two small tables, by major."""
    return {major: pg_dump(major, TINY, '--schema="tenant_a"') for major in (16, 18)}
