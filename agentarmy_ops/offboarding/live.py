"""Erase what the database has of a tenant, in one transaction."""

from collections.abc import Callable

import psycopg
from psycopg import sql

from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.offboarding.final import Candidate, is_what_it_was
from agentarmy_ops.offboarding.offboarder import Offboarder, refuse_dependents, schemas_of
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.tenants.registry import Tenant


def erase_live(
    offboarder: Offboarder,
    connection: Connection,
    tenant: Tenant,
    candidate: Candidate,
    record: Callable[[list[str]], None],
) -> bool:
    """Drop the tenant's schemas and delete its row, unless it is not what the backup holds: then
    nothing is done and False is returned. ``record`` is called with the schemas' names before the
    transaction is committed.

    From the comparison on, nobody can write to the tenant's tables.

    Raises:
        OffboardingRefusedError: something outside of the schemas depends on them.
        TenantBusyError: another session keeps a table locked.
        OffboardingError: PostgreSQL refuses; all was rolled back.
        OpsError: the tenant cannot be compared; all was rolled back.
    """
    schemas = schemas_of(connection, tenant)
    with offboarder.transaction(connection, tenant.slug):
        _lock_tables(connection, tenant.schema_name)
        offboarder.watch(Step.COMPARE)
        if not is_what_it_was(offboarder, candidate):
            raise psycopg.Rollback
        for schema in schemas:
            refuse_dependents(connection, schema)
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        connection.execute("DELETE FROM shared.tenants WHERE id = %s", [tenant.id])
        offboarder.watch(Step.PLAN)
        record(schemas)
        offboarder.watch(Step.COMMIT)
        return True
    return False


def _lock_tables(connection: Connection, schema: str) -> None:
    """Keep everybody from writing to the tables and altering them; pg_dump may read them."""
    for row in query(connection, "tables", schemas=[schema]):
        statement = sql.SQL("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(statement.format(sql.Identifier(schema, row["table"])))
