"""Load an archive of one schema inside the caller's transaction, and check what came of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg

from agentarmy_ops.archive.data import DataBlock, read_blocks
from agentarmy_ops.archive.describe import Description
from agentarmy_ops.archive.fingerprint import TableFingerprint, text
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.archive.rows import COPY_TERMINATOR, RowsDigest, copy_data
from agentarmy_ops.archive.toc import TocEntry, read_toc
from agentarmy_ops.backups.copy_out import AS_PG_DUMP, digest_rows
from agentarmy_ops.backups.manifest import TableSecurity
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.restore.script import Script, table_data, write_script
from agentarmy_ops.backups.restore.session import Restorer, open_session
from agentarmy_ops.backups.restore.steps import Step, Watch
from agentarmy_ops.backups.restored_state import isolation_flaws, restored_states
from agentarmy_ops.errors import ArchiveError, RestoreError
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.tools import find_tools, session_options
from agentarmy_ops.tenants.lock import tenant_lock


@dataclass(frozen=True)
class Loadable:
    """An archive of one schema that was read once to its end, and can be read again.

    ``security`` and ``not_valid`` are what the catalogues must say when it is restored.
    """

    schema: str
    tenant_id: UUID
    description: Description
    security: tuple[TableSecurity, ...]
    not_valid: tuple[str, ...]
    lc_monetary: str
    open: Callable[[], AbstractContextManager[Readable]]

    def session_options(self) -> str:
        """libpq's ``options`` for the session that loads it: values read as they were written,
        and materialized views see the tenant's rows."""
        return session_options(
            {
                "lc_monetary": self.lc_monetary,
                **AS_PG_DUMP,
                "app.current_tenant_id": str(self.tenant_id),
            }
        )


@contextmanager
def locked(restorer: Restorer, archive: Loadable, slug: str) -> Iterator[tuple[Connection, Script]]:
    """The session that is going to load the archive, under the tenant's lock, and its script.

    Raises:
        TenantBusyError: another operation holds the tenant's lock.
        OpsError: the database cannot be reached, or pg_restore failed.
    """
    with open_session(restorer, archive.session_options()) as connection:
        tools = find_tools(connection.info.server_version // 10000, restorer.bin_dirs)
        script = write_script(archive.description.toc, tools)
        restorer.watch(Step.LOCK, "")
        with tenant_lock(connection, slug, timeout_seconds=restorer.lock_timeout_seconds):
            yield connection, script


def load(connection: Connection, archive: Loadable, script: Script, watch: Watch) -> None:
    """Restore the archive in the current transaction, whose session has its options, and check
    there that rows, isolation and constraints are the archive's.

    Rows are read back before row-level security is on: the owner, whom it will bind, sees all
    of them then, whatever tenant they name.

    Raises:
        RestoreError: PostgreSQL refuses, or something is not as the archive says.
        ArchiveError: the archive is not what it was when it was described.
    """
    watch(Step.DEFINITIONS, "")
    _run(connection, script.definitions)
    _load_rows(connection, archive, watch)
    _check_rows(connection, archive, watch)
    watch(Step.SEQUENCES, "")
    _run(connection, script.sequences)
    watch(Step.CONSTRAINTS, "")
    _run(connection, script.constraints)
    watch(Step.CHECK, "")
    _check_state(connection, archive)


def _run(connection: Connection, statements: bytes) -> None:
    try:
        connection.execute(statements)
    except psycopg.Error as error:
        raise RestoreError(_reason(error)) from error


def _reason(error: psycopg.Error) -> str:
    """The server's words, and what they are about."""
    where = error.diag.table_name or error.diag.constraint_name or error.diag.datatype_name
    return reason(error) + (f" ({where})" if where and where not in reason(error) else "")


def _load_rows(connection: Connection, archive: Loadable, watch: Watch) -> None:
    expected = _fingerprints(archive)
    with archive.open() as stream:
        source, toc = read_toc(stream)
        waiting = {entry.dump_id: entry for entry in table_data(toc)}
        for block in read_blocks(source, toc.header):
            entry = waiting.pop(block.dump_id, None)
            if entry is None or entry.copy_statement is None:
                raise ArchiveError("the archive holds data that belongs to no table")
            name = _name(entry)
            watch(Step.ROWS, name)
            _load_table(connection, entry.copy_statement, block, expected[name])
    if waiting:
        missing = ", ".join(map(_name, waiting.values()))
        raise ArchiveError(f"the archive is cut short: no rows of {missing}")


def _load_table(
    connection: Connection, statement: bytes, block: DataBlock, expected: TableFingerprint
) -> None:
    digest = RowsDigest(COPY_TERMINATOR)
    try:
        with connection.cursor().copy(statement) as copy:
            for data in copy_data(block, digest):
                copy.write(data)
    except psycopg.Error as error:
        raise RestoreError(f"table {expected.table}: {_reason(error)}") from error
    if digest.finish() != (expected.rows, expected.bytes, expected.sha256):
        raise ArchiveError(
            f"the archive is not what it was a moment ago: other rows of {expected.table}"
        )


def _check_rows(connection: Connection, archive: Loadable, watch: Watch) -> None:
    expected = _fingerprints(archive)
    for entry in table_data(archive.description.toc):
        one = expected[_name(entry)]
        watch(Step.CHECK_ROWS, _name(entry))
        found = digest_rows(connection, entry.copy_statement or b"")
        if found != (one.rows, one.bytes, one.sha256):
            raise RestoreError(
                f"table {one.table} holds {found[0]} rows with sha256 {found[2]}, not the "
                f"{one.rows} rows with sha256 {one.sha256} of the backup"
            )


def _fingerprints(archive: Loadable) -> dict[str, TableFingerprint]:
    tables = archive.description.fingerprint.tables
    return {f"{table.namespace}.{table.table}": table for table in tables}


def _name(entry: TocEntry) -> str:
    return f"{text(entry.namespace)}.{text(entry.tag)}"


def _check_state(connection: Connection, archive: Loadable) -> None:
    state = restored_states(connection, [archive.schema])[archive.schema]
    for table in state.security:
        for flaw in isolation_flaws(table):
            raise RestoreError(f"table {table.table} would not be isolated: {flaw}")
    if state.security != archive.security:
        raise RestoreError("row-level security differs from what the manifest lists")
    if unproven := sorted(set(state.not_valid) - set(archive.not_valid)):
        raise RestoreError(f"{unproven[0]} is not valid")
