"""What a customer takes along: plain SQL, and a CSV file for each table, all of one moment."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg
from psycopg import sql

from agentarmy_ops.backups.copy_out import reading_as_pg_dump
from agentarmy_ops.backups.dump import schema_patterns, without_statistics
from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.snapshot import Snapshot, open_snapshot
from agentarmy_ops.backups.source import BackupSource
from agentarmy_ops.errors import (
    ClientToolError,
    DatabaseError,
    InvalidInputError,
    OffboardingError,
    TenantNotFoundError,
)
from agentarmy_ops.localfiles import explain, fsync_folder
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.tools import (
    client_environment,
    failure_reason,
    find_tools,
)
from agentarmy_ops.tenants.registry import Tenant

_SQL = "tenant.sql"
_SUMS = "SHA256SUMS"
_README = "README.txt"
_PIECE = 1 << 20
_TEXT = """\
Data of {name} ({slug}) as of {taken_at} (UTC), from PostgreSQL {version}.

tables/   A file for each table: comma-separated values in UTF-8 with a header line (RFC 4180).
          NULL is an empty field, an empty text is "". A character of a table's name that a file
          name should not have is written as %XX.
{sql}{sums}  What sha256sum -c {sums} compares the files with.
"""
_SQL_TEXT = """\
tenant.sql
          The same as SQL, with all definitions, for psql of PostgreSQL {major} or newer. Owners and
          privileges are left out. What refers to tables outside of the tenant's schema needs
          them to be there.
"""


@dataclass(frozen=True)
class Export:
    """A complete bundle: ``files`` are names in the ``folder``."""

    folder: Path
    files: tuple[str, ...]
    tables: int
    bytes: int


def export_tenant(
    source: BackupSource, tenant: Tenant, folder: Path, *, with_sql: bool = True
) -> Export:
    """Write a tenant's data into a new folder that only we can read; or nothing.

    Raises:
        InvalidInputError: there is something at ``folder``, or no folder to make it in.
        TenantNotFoundError: the tenant's schema is not there.
        OffboardingError: the disk failed.
        OpsError: the database cannot be read.
    """
    folder = folder.absolute()
    _refuse_taken(folder)
    conninfo = reading_as_pg_dump(source.conninfo, "UTF8")
    with (
        open_snapshot(conninfo, lock_timeout_seconds=source.lock_timeout_seconds) as snapshot,
        _written(folder) as partial,
    ):
        if tenant.schema_name not in snapshot.tenant_schemas:
            raise TenantNotFoundError(
                f"tenant {tenant.slug} has no schema {tenant.schema_name} in database "
                f"{snapshot.connection.info.dbname}; there is nothing to export"
            )
        # Whatever was read stays locked until the snapshot ends: pg_dump finds it as it was.
        tables = _write_tables(snapshot, tenant, partial)
        if with_sql:
            _write_sql(source, snapshot, tenant, partial / _SQL)
        _write_readme(snapshot, tenant, partial, with_sql=with_sql)
        size = _write_sums(partial)
        files = tuple(sorted(str(path.relative_to(partial)) for path in _files(partial)))
    return Export(folder, files, tables, size)


def _refuse_taken(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise InvalidInputError(f"there is no folder {folder.parent} to make {folder.name} in")
    if folder.is_symlink() or (
        folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise InvalidInputError(f"{folder} is there already; name a new folder for the export")


@contextmanager
def _written(folder: Path) -> Iterator[Path]:
    """A hidden folder beside, which gets the name when all is written; with an error, it goes."""
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        partial.mkdir(mode=0o700)
        (partial / "tables").mkdir(mode=0o700)
        yield partial
        for each in (partial / "tables", partial):
            fsync_folder(each)
        partial.rename(folder)
        fsync_folder(folder.parent)
    except OSError as error:
        raise OffboardingError(f"{folder} cannot be written: {explain(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write_tables(snapshot: Snapshot, tenant: Tenant, partial: Path) -> int:
    names = [
        str(row["table"])
        for row in query(snapshot.connection, "tables", schemas=[tenant.schema_name])
        if row["has_rows"]
    ]
    for name in names:
        table = sql.Identifier(tenant.schema_name, name)
        statement = sql.SQL("COPY {} TO STDOUT WITH (FORMAT csv, HEADER)").format(table)
        with _private(partial / "tables" / f"{_file_name(name)}.csv") as file:
            try:
                with snapshot.connection.cursor().copy(statement) as copy:
                    for data in copy:
                        file.write(data)
            except psycopg.Error as error:
                raise DatabaseError(
                    f"table {name} of tenant {tenant.slug} cannot be exported: {reason(error)}"
                ) from error
    _refuse_rewritten(snapshot, tenant)
    return len(names)


def _refuse_rewritten(snapshot: Snapshot, tenant: Tenant) -> None:
    if table := snapshot.rewritten([tenant.schema_name]).get(tenant.schema_name):
        raise DatabaseError(
            f"tenant {tenant.slug} was altered while it was exported: its table {table} was "
            "truncated, rewritten or dropped; try again"
        )


def _file_name(table: str) -> str:
    name = quote(table, safe=" ")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _write_sql(source: BackupSource, snapshot: Snapshot, tenant: Tenant, path: Path) -> None:
    tools = find_tools(snapshot.server_major, source.bin_dirs)
    arguments = [
        tools.program("pg_dump"),
        "--format=plain",
        "--encoding=UTF8",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        f"--snapshot={snapshot.exported}",
        f"--lock-wait-timeout={source.lock_timeout_seconds}s",
        *without_statistics(tools),
        *schema_patterns([tenant.schema_name]),
    ]
    with (
        source.conninfo.client_arguments() as connection,
        _private(path) as file,
        tempfile.TemporaryFile() as complaints,
    ):
        done = subprocess.run(
            [*arguments, *connection],
            env=client_environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=complaints,
            check=False,
        )
        if done.returncode:
            complaints.seek(0)
            text = complaints.read().decode("utf-8", "backslashreplace")
            raise ClientToolError(failure_reason("pg_dump", text, done.returncode))


def _write_readme(snapshot: Snapshot, tenant: Tenant, partial: Path, *, with_sql: bool) -> None:
    text = _TEXT.format(
        name=tenant.name,
        slug=tenant.slug,
        taken_at=f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S}",
        version=snapshot.facts["server_version"],
        sql=_SQL_TEXT.format(major=snapshot.server_major) if with_sql else "",
        sums=_SUMS,
    )
    with _private(partial / _README) as file:
        file.write(text.encode())


def _write_sums(partial: Path) -> int:
    """Write the sums of all files; returns their size in bytes."""
    lines, size = [], 0
    for path in _files(partial):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        lines.append(f"{digest.hexdigest()}  {path.relative_to(partial)}\n")
    with _private(partial / _SUMS) as file:
        file.write("".join(sorted(lines, key=lambda line: line[66:])).encode())
    return size


def _files(partial: Path) -> Iterator[Path]:
    return (path for path in sorted(partial.rglob("*")) if path.is_file())
