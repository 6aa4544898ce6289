"""What PostgreSQL's own programs make of an archive."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agentarmy_ops.backups import dump
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops_tests.databases import program_dsn

_TOKENS = (b"\\restrict ", b"\\unrestrict ")


def pg_restore(major: int, archive: bytes, *arguments: str, seekable: bool = False) -> bytes:
    """The output of pg_restore, which reads the archive from a pipe, or, as data that is in
    another order than its entries needs it, from a file."""
    command = [find_tools(major).program("pg_restore"), *arguments]
    if seekable:
        with tempfile.TemporaryFile() as file:
            file.write(archive)
            file.seek(0)
            done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    else:
        done = subprocess.run(command, input=archive, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def script(major: int, archive: bytes) -> list[bytes]:
    """The archive as SQL, without the token that is new each time."""
    lines = pg_restore(major, archive, "--file=-").split(b"\n")
    # A line of data may begin so, too: only the first and the last line like this are tokens.
    tokens = [number for number, line in enumerate(lines) if line.startswith(_TOKENS)]
    if tokens:  # releases before August 2025 write none
        del lines[tokens[-1]], lines[tokens[0]]
    return lines


def listing(major: int, archive: bytes) -> list[bytes]:
    """The entries that pg_restore lists, in its order, without their dump ids: these number the
    objects of a dump, and say nothing about one."""
    lines = pg_restore(major, archive, "--list").splitlines()
    return [line.partition(b"; ")[2] for line in lines if not line.startswith(b";")]


def restore(major: int, archive: bytes, database: ConnInfo) -> None:
    """Restore into a database."""
    pg_restore(major, archive, "--exit-on-error", f"--dbname={program_dsn(database)}")


@dataclass(frozen=True)
class Dumper:
    """Dumps schemas of a database, as a backup does, all of them in one snapshot."""

    database: ConnInfo
    options: dump.DumpOptions

    def __call__(self, *schemas: str, extra: tuple[str, ...] = ()) -> bytes:
        """The archive of these schemas."""
        selection = [*dump.schema_patterns(schemas), *extra]
        with dump.pg_dump(self.database, self.options, selection) as stream:
            return stream.read()


@contextmanager
def dumper(major: int, database: ConnInfo) -> Iterator[Dumper]:
    """Hold one snapshot of a database."""
    with database.connect() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        options = dump.DumpOptions(find_tools(major), lc_monetary="C", snapshot=row[0])
        yield Dumper(database, options)
