"""Registry and schemas of the live database: the same tenants, each of them isolated."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.restore.aside import find_asides
from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Key
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.isolation import TenantTable, unisolated_tables
from agentarmy_ops.tenants.registry import Registry, Tenant
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

CONNECT_SECONDS = 5
_STATEMENT_TIMEOUT = "20s"
# To look is never worth a wait for a migration, nor to be in its way.
_LOCK_TIMEOUT = "1s"
_SHOWN = 5


@contextmanager
def look_only(conninfo: ConnInfo) -> Iterator[psycopg.Connection[TupleRow]]:
    """A transaction that sees one moment, writes nothing, and waits for nobody for long.

    Raises:
        DatabaseError: the server cannot be reached, or refuses a query of the block.
    """
    try:
        with conninfo.connect(connect_timeout=str(CONNECT_SECONDS)) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true),"
                " set_config('lock_timeout', %s, true)",
                [_STATEMENT_TIMEOUT, _LOCK_TIMEOUT],
            )
            yield connection
    except psycopg.Error as error:
        raise DatabaseError(f"{conninfo} cannot be looked at: {reason(error)}") from error


@dataclass(frozen=True)
class Drift:
    """Where registry and schemas differ: tenants without their schema, and schemas of the tenants'
    kind without a tenant."""

    missing: Sequence[Tenant]
    unregistered: Sequence[str]


def read_drift(connection: psycopg.Connection[TupleRow], registry: Registry) -> Drift:
    """Compare the registry with the schemas of its database. A schema that a restore put aside is
    no tenant's and is known.

    Raises:
        DatabaseError: the catalogue cannot be read.
    """
    schemas = {
        row["nspname"] for row in query(connection, "schemas_with_prefix", prefix=SCHEMA_PREFIX)
    }
    known = {tenant.schema_name for tenant in registry.tenants}
    known.update(aside.schema for aside in find_asides(connection))
    return Drift(
        missing=[tenant for tenant in registry.tenants if tenant.schema_name not in schemas],
        unregistered=sorted(schemas - known),
    )


def drift_problems(drift: Drift) -> Iterator[tuple[Key, str]]:
    """One problem for each tenant without schema, and one for all schemas without tenant."""
    for tenant in drift.missing:
        yield (
            Key(Check.MISSING_SCHEMA, str(tenant.id)),
            f"tenant {tenant.slug} has no schema {tenant.schema_name}; restore it, or remove its "
            "row from shared.tenants",
        )
    if drift.unregistered:
        yield (
            Key(Check.UNREGISTERED_SCHEMA, PLATFORM_ID),
            f"no backup holds {_some(drift.unregistered)}, for the registry does not know of it; "
            "register its tenant, or rename or drop the schema",
        )


def isolation_problems(
    connection: psycopg.Connection[TupleRow], tenants: Sequence[Tenant]
) -> Iterator[tuple[Key, str]]:
    """One problem for each tenant with tables that are not isolated."""
    by_schema = {tenant.schema_name: tenant for tenant in tenants}
    tables: dict[str, list[TenantTable]] = {}
    for table in unisolated_tables(connection, list(by_schema)):
        tables.setdefault(table.schema, []).append(table)
    for schema, found in tables.items():
        tenant = by_schema[schema]
        lacking = [f"{table.name} lacks {' and '.join(table.missing)}" for table in found]
        yield (
            Key(Check.ROW_LEVEL_SECURITY, str(tenant.id)),
            f"tenant {tenant.slug} is not isolated: {_some(lacking)}; provision it again, which "
            "repairs that",
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
