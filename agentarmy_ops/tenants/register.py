"""Write a tenant's row of ``shared.tenants``, in the caller's transaction."""

from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.tenants.slug import schema_name


def register_tenant(
    connection: psycopg.Connection[TupleRow], tenant_id: UUID, slug: str, name: str
) -> None:
    """Insert the row of a tenant that has none.

    Raises:
        psycopg.Error: PostgreSQL refuses.
    """
    connection.execute(
        load_sql(__file__, "insert_tenant"),
        {"id": tenant_id, "slug": slug, "name": name, "schema_name": schema_name(slug)},
    )
