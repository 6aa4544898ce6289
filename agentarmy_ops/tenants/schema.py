"""A tenant's schema: that it is there, whole, and what was missing of it."""

from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from agentarmy_ops.errors import ProvisioningError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.tenants.context import set_tenant
from agentarmy_ops.tenants.isolation import ensure_isolation
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops.tenants.template import TemplateFile, run_file


class _Object(NamedTuple):
    kind: str
    name: str
    part_of: str | None


def ensure_schema(
    connection: psycopg.Connection[TupleRow], tenant: Tenant, files: list[TemplateFile]
) -> list[str]:
    """Make the schema, its tables and their isolation, in the current transaction, and leave
    ``search_path`` and tenant set for the rest of it; returns what was missing, in words.

    Raises:
        ProvisioningError: the template failed, a table cannot be isolated, or we may not create
            tables in the schema.
    """
    schema = sql.Identifier(tenant.schema_name)
    existed = schema_exists(connection, tenant.schema_name)
    if not existed:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    _check_privileges(connection, tenant)
    before = _objects(connection, tenant.schema_name)
    for file in files:
        work_in(connection, tenant)  # whatever the file before has set
        run_file(connection, tenant.slug, file)
    work_in(connection, tenant)
    changes = ensure_isolation(connection, tenant.schema_name)
    if not existed:
        return ["schema"]
    new = _objects(connection, tenant.schema_name) - before
    new_tables = {found.name for found in new if found.kind == "table"}
    named = sorted(f"{found.kind} {found.name}" for found in new if found.part_of not in new_tables)
    return named + [
        f"{change.what} on {change.table}" for change in changes if change.table not in new_tables
    ]


def _check_privileges(connection: psycopg.Connection[TupleRow], tenant: Tenant) -> None:
    """A schema we may not use would be skipped silently in ``search_path``."""
    may = connection.execute(load_sql(__file__, "may_use_schema"), {"schema": tenant.schema_name})
    if may.fetchone() != (True,):
        raise ProvisioningError(
            f"tenant {tenant.slug} was not provisioned (nothing was changed): role "
            f"{connection.info.user} may not create tables in schema {tenant.schema_name}; make "
            "it the schema's owner, or set DATABASE_URL to the role that is"
        )


def work_in(connection: psycopg.Connection[TupleRow], tenant: Tenant) -> None:
    """Give unqualified names, and row-level security, to this tenant until the commit."""
    connection.execute(
        sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(tenant.schema_name))
    )
    set_tenant(connection, tenant.id)


def schema_exists(connection: psycopg.Connection[TupleRow], schema: str) -> bool:
    """Whether the database has a schema of that name."""
    found = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema])
    return found.fetchone() is not None


def _objects(connection: psycopg.Connection[TupleRow], schema: str) -> set[_Object]:
    with connection.cursor(row_factory=class_row(_Object)) as cursor:
        cursor.execute(load_sql(__file__, "schema_objects"), {"schema": schema})
        return set(cursor.fetchall())
