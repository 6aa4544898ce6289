"""``shared.tenants`` and the tenants' schemas are about the same tenants."""

from collections.abc import Iterator

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.backups.queries import query
from agentarmy_ops.doctor.finding import Finding, fail, ok, warn
from agentarmy_ops.tenants.registry import Registry
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

CHECK = "registry"


def check_registry(
    connection: psycopg.Connection[TupleRow], registry: Registry
) -> Iterator[Finding]:
    """Compare the registry with the schemas of its database."""
    for problem in registry.problems:
        message, _, advice = problem.rpartition("; ")
        yield fail(CHECK, message, advice)
    rows = query(connection, "schemas_with_prefix", prefix=SCHEMA_PREFIX)
    schemas = {row["nspname"] for row in rows}
    registered = {tenant.schema_name for tenant in registry.tenants}
    homeless = [tenant for tenant in registry.tenants if tenant.schema_name not in schemas]
    for tenant in homeless:
        yield fail(
            CHECK,
            f"tenant {tenant.slug} has no schema {tenant.schema_name}",
            "provision it again, or remove its row from shared.tenants",
        )
    for schema in sorted(schemas - registered):
        yield warn(
            CHECK,
            f"schema {schema} belongs to no tenant, and no backup holds it",
            "register its tenant, or rename or drop the schema",
        )
    if not registry.tenants and not registry.problems:
        yield warn(
            CHECK,
            "no tenant is registered",
            "provision one with 'agentarmy-ops tenant provision', or check DATABASE_URL",
        )
    elif not homeless and not registry.problems:
        yield ok(CHECK, f"{len(registered)} tenants, each with its schema")
