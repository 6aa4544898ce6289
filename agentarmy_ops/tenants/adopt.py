"""Whose a schema is whose registry row was lost: its rows still carry the tenant's id."""

from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from agentarmy_ops.errors import ProvisioningError
from agentarmy_ops.tenants.isolation import tenant_tables


def find_tenant_id(connection: psycopg.Connection[TupleRow], schema: str) -> UUID | None:
    """The one ``tenant_id`` of all rows in the schema; None when it holds no rows.

    The owner is itself subject to forced row-level security, so it is not forced while this
    reads: ALTER TABLE keeps everybody else out until the transaction ends.

    Raises:
        ProvisioningError: the rows are of more than one tenant.
    """
    connection.execute("SET LOCAL row_security = off")  # an error, rather than rows unseen
    found: set[UUID] = set()
    for table in tenant_tables(connection, schema):
        target = sql.Identifier(schema, table.name)
        if not table.has_tenant_id:
            continue
        if table.forced:
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(target))
        query = sql.SQL("SELECT DISTINCT tenant_id FROM {} WHERE tenant_id IS NOT NULL LIMIT 2")
        found.update(row[0] for row in connection.execute(query.format(target)))
        if table.forced:
            connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(target))
    connection.execute("SET LOCAL row_security = on")
    if len(found) > 1:
        raise ProvisioningError(
            f"schema {schema} has no row in shared.tenants and holds rows of several tenant ids "
            f"({', '.join(sorted(map(str, found)))}), so it is not known whose it is (nothing "
            "was changed); insert the right row into shared.tenants and provision again"
        )
    return found.pop() if found else None
