"""Build databases full of tenants, fast.

What makes it fast, by measurement: a tenant per transaction (many in one make each new table
slower), two connections, rows by ``COPY … (FREEZE)`` with foreign keys unchecked (they hold by
construction), no VACUUM but of the catalogue. What would make it three times slower on ext4:
dropping a database just before, for ext4 walks past every inode freed in the last 35 seconds; so
a run drops databases when it ends, not when it begins.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import psycopg
from psycopg import sql

from agentarmy_ops.backups.create import BackupSource
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.tenants.bootstrap import (
    BACKUP_ROLE,
    OWNER_ROLE,
    ensure_registry,
    ensure_roles,
)
from agentarmy_ops.tenants.registry import Tenant, read_tenants
from agentarmy_ops.tenants.slug import schema_name
from bench.servers import building, create_database
from bench.tenant_rows import rows_of, tables_of

_CONNECTIONS = 2
_TENANTS_PER_CONNECTION = 50  # a session keeps what it knows of each table it made
_LARGE_TABLES = 4
_LARGE_ROW_BYTES = 100

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Fleet:
    """A database and its tenants."""

    server: ConnInfo
    database: ConnInfo
    tenants: Sequence[Tenant] = ()

    @property
    def conninfo(self) -> ConnInfo:
        """The database as the backup role."""
        return self.database.with_params(user=BACKUP_ROLE)

    @property
    def source(self) -> BackupSource:
        """The database as the engine reads it."""
        return BackupSource(self.conninfo)

    @property
    def schemas(self) -> list[str]:
        """The tenants' schemas."""
        return [tenant.schema_name for tenant in self.tenants]


def new_fleet(server: ConnInfo, name: str) -> Fleet:
    """A database with roles and registry and no tenant yet."""
    database = create_database(server, name)
    with database.connect() as connection:
        ensure_roles(connection)
        ensure_registry(connection)
    return Fleet(server, database)


def grown(fleet: Fleet, tenants: int) -> Fleet:
    """The fleet with more small tenants, ``tenants`` in all, and the catalogue vacuumed."""
    missing = range(len(fleet.tenants), tenants)
    with building(fleet.server), ThreadPoolExecutor(_CONNECTIONS) as pool:
        starts = range(0, len(missing), _TENANTS_PER_CONNECTION)
        shares = [missing[start : start + _TENANTS_PER_CONNECTION] for start in starts]
        list(pool.map(lambda share: _add_small_tenants(fleet.database, share), shares))
        _vacuum_catalogue(fleet.database)
    return _with_tenants(fleet)


def with_large_tenant(fleet: Fleet, copy_bytes: int) -> Fleet:
    """The fleet with one tenant of about ``copy_bytes`` of COPY data in rows of 100 bytes."""
    rows = copy_bytes // _LARGE_ROW_BYTES // _LARGE_TABLES
    with building(fleet.server), ThreadPoolExecutor(_CONNECTIONS) as pool:
        with (
            fleet.database.connect() as connection,
            _tenant(connection, f"large-{copy_bytes}", rows) as tenant_id,
        ):
            connection.execute(load_sql(__file__, "large_tables"))
        (tenant,) = _with_tenants(fleet).tenants
        load = sql.SQL(load_sql(__file__, "large_rows").decode())

        def fill(number: int) -> None:
            table = sql.Identifier(tenant.schema_name, f"events_{number}")
            with fleet.database.connect(autocommit=True) as connection:
                with connection.transaction():
                    # Made or emptied in the transaction that fills it, a table needs no WAL.
                    connection.execute(sql.SQL("TRUNCATE {}").format(table))
                    connection.execute(
                        load.format(table=table, tenant=str(tenant_id), salt=str(number), rows=rows)
                    )
                connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table))
                connection.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {}").format(table))

        list(pool.map(fill, range(1, _LARGE_TABLES + 1)))
    return _with_tenants(fleet)


def _with_tenants(fleet: Fleet) -> Fleet:
    with fleet.database.connect() as connection:
        return Fleet(fleet.server, fleet.database, read_tenants(connection))


@contextmanager
def _tenant(connection: Connection, slug: str, rows: int) -> Iterator[str]:
    """A transaction that makes a tenant: registry row and schema, its owner being the role and
    its schema the search path of the block."""
    tenant_id = uuid5(NAMESPACE_DNS, slug)
    schema = sql.Identifier(schema_name(slug))
    owner = sql.Identifier(OWNER_ROLE)
    with connection.transaction():
        connection.execute(
            "INSERT INTO shared.tenants (id, slug, name, schema_name) VALUES (%s, %s, %s, %s)",
            [tenant_id, slug, slug.title(), schema_name(slug)],
        )
        connection.execute(
            sql.SQL(
                "CREATE SCHEMA {schema} AUTHORIZATION {owner}; SET LOCAL ROLE {owner};"
                " SET LOCAL search_path = {schema}; SET LOCAL bench.rows = {rows}"
            ).format(schema=schema, owner=owner, rows=rows)
        )
        yield str(tenant_id)


def _add_small_tenants(database: ConnInfo, numbers: Sequence[int]) -> None:
    with database.connect(autocommit=True) as connection:
        for number in numbers:
            rows = rows_of(number)
            with _tenant(connection, f"fleet-{number:05d}", rows) as tenant_id:
                connection.execute(load_sql(__file__, "tenant"))
                connection.execute("SET LOCAL ROLE NONE")
                connection.execute("SET LOCAL session_replication_role = replica")
                _copy_in(connection, tenant_id, rows)


def _copy_in(connection: Connection, tenant_id: str, rows: int) -> None:
    for table, text in tables_of(tenant_id, rows):
        statement = sql.SQL("COPY {} FROM STDIN (FREEZE)").format(sql.Identifier(table))
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(text)


def _vacuum_catalogue(database: ConnInfo) -> None:
    with database.connect(autocommit=True) as connection:
        for (statement,) in connection.execute(load_sql(__file__, "vacuum_catalogue")).fetchall():
            connection.execute(statement)
