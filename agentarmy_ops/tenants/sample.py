"""Invented, but always the same, data for trying things out and for measuring."""

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.errors import DatabaseError, InvalidInputError
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops.tenants.schema import work_in

_LOCK_TIMEOUT = 60.0  # seconds
_TABLES = ("agents", "conversations", "messages", "usage_events")


def insert_sample_data(conninfo: ConnInfo, tenant: Tenant, rows: int) -> int:
    """Fill the tables of the built-in template with ``rows`` rows in all (at least 4);
    ``conninfo`` is the owner role's. Returns the number of rows inserted: 0 when the tenant
    has conversations already.

    Raises:
        InvalidInputError: fewer than 4 rows: each of the four tables gets one.
        TenantBusyError: another operation holds the tenant's lock.
        DatabaseError: PostgreSQL refused; nothing was inserted.
    """
    if rows < len(_TABLES):
        raise InvalidInputError(f"cannot insert {rows} sample rows: ask for 4 or more")
    counts = _share_out(rows)
    with (
        conninfo.connect(autocommit=True) as connection,
        tenant_lock(connection, tenant.slug, timeout_seconds=_LOCK_TIMEOUT),
    ):
        try:
            with connection.transaction():
                return rows if _insert(connection, tenant, counts) else 0
        except psycopg.Error as error:
            raise DatabaseError(
                f"tenant {tenant.slug} got no sample data: {reason(error)}; provision it with "
                "the built-in template first"
            ) from error


def _insert(
    connection: psycopg.Connection[TupleRow], tenant: Tenant, counts: dict[str, int]
) -> bool:
    work_in(connection, tenant)
    if connection.execute("SELECT FROM conversations LIMIT 1").fetchone() is not None:
        return False
    for table in _TABLES:
        connection.execute(
            load_sql(__file__, f"sample_{table}"), {"tenant_id": tenant.id, **counts}
        )
    return True


def _share_out(rows: int) -> dict[str, int]:
    """How many of ``rows`` go to each table: most are messages, as in life."""
    agents = max(1, min(rows // 200, 50))
    conversations = max(1, rows // 10)
    usage_events = max(1, rows // 4)
    return {
        "agents": agents,
        "conversations": conversations,
        "messages": rows - agents - conversations - usage_events,
        "usage_events": usage_events,
    }
