"""The live tenant at one moment: its dump, and the rows of its tables."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import psycopg

from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.backups.copy_out import reading_as_pg_dump
from agentarmy_ops.backups.diff.rows import split_rows
from agentarmy_ops.backups.dump import DumpOptions, pg_dump, schema_patterns
from agentarmy_ops.backups.manifest import Manifest, TenantFacts
from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.snapshot import Snapshot, open_snapshot
from agentarmy_ops.backups.source import BackupSource
from agentarmy_ops.errors import DatabaseError, TenantNotFoundError
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.tools import find_tools


@dataclass(frozen=True)
class LiveTenant:
    """One tenant in one snapshot, which its dump and its rows are both read from.

    It is only read, without the tenant's advisory lock, and while it is, its tables are locked as
    a SELECT locks them.
    """

    source: BackupSource
    snapshot: Snapshot
    tenant: TenantFacts
    lc_monetary: str

    def dump(self, tables: Collection[str] = ()) -> Description:
        """Dump the schema, storing nothing: every definition, and the rows of ``tables``; none
        named: of all.

        Raises:
            OpsError: it cannot be dumped, or was altered meanwhile.
        """
        options = DumpOptions(
            tools=find_tools(self.snapshot.server_major, self.source.bin_dirs),
            lc_monetary=self.lc_monetary,
            snapshot=self.snapshot.exported,
            lock_timeout_seconds=self.source.lock_timeout_seconds,
        )
        selection = schema_patterns([self.tenant.schema_name])
        if tables:
            # pg_dump has no option for the contrary.
            selection += [
                f"--exclude-table-data={_quoted(self.tenant.schema_name)}.{_quoted(name)}"
                for name in self._all_tables
                if name not in tables
            ]
        with pg_dump(self.source.conninfo, options, selection) as stream:
            description = describe(stream)
        self.refuse_rewritten({table.table for table in description.fingerprint.tables})
        return description

    @cached_property
    def _all_tables(self) -> list[str]:
        found = query(self.snapshot.connection, "tables", schemas=[self.tenant.schema_name])
        return [row["table"] for row in found]

    def rows(self, table: bytes, columns: Sequence[bytes]) -> Iterator[bytes]:
        """The rows of a table as an archive has them, with these columns; both as in an archive.

        Raises:
            DatabaseError: PostgreSQL refuses; for instance because the table was just dropped.
        """
        listed = b" (" + b", ".join(columns) + b")" if columns else b""
        try:
            cursor = self.snapshot.connection.cursor()
            with cursor.copy(b"COPY " + table + listed + b" TO STDOUT") as copy:
                yield from split_rows(bytes(data) for data in copy)
        except psycopg.Error as error:
            raise DatabaseError(
                f"cannot read the rows of tenant {self.tenant.slug}: {reason(error)}; try again"
            ) from error

    def refuse_rewritten(self, tables: Collection[str]) -> None:
        """Raise if the snapshot no longer sees the rows of one of these tables. To be asked after
        they were read, for who reads them waits for whoever alters them.

        Raises:
            DatabaseError: naming the table.
        """
        schemas = [self.tenant.schema_name]
        for row in query(self.snapshot.connection, "rewritten", schemas=schemas):
            if row["table"] in tables:
                raise DatabaseError(
                    f"tenant {self.tenant.slug} was altered while it was compared: its table "
                    f"{row['table']} was truncated, rewritten or dropped; try again"
                )


@contextmanager
def open_live(
    source: BackupSource, manifest: Manifest, tenant: TenantFacts
) -> Iterator[LiveTenant]:
    """The tenant as it is now, to be compared with the backup of ``manifest``.

    Raises:
        TenantNotFoundError: its schema is not there.
        BackupRefusedError: the role cannot see all rows.
        DatabaseError: the server cannot be reached or refuses.
    """
    facts = manifest.snapshot
    conninfo = reading_as_pg_dump(
        source.conninfo, facts.encoding, {"lc_monetary": facts.lc_monetary}
    )
    with open_snapshot(conninfo, lock_timeout_seconds=source.lock_timeout_seconds) as snapshot:
        if tenant.schema_name not in snapshot.tenant_schemas:
            raise TenantNotFoundError(
                f"tenant {tenant.slug} has no schema {tenant.schema_name} in database "
                f"{snapshot.connection.info.dbname}; there is nothing to compare its backup with"
            )
        yield LiveTenant(source, snapshot, tenant, facts.lc_monetary)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
