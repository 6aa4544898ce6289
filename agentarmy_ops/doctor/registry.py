"""``shared.tenants`` and the tenants' schemas are about the same tenants."""

from collections.abc import Iterator

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.doctor.finding import Finding, fail, ok, warn
from agentarmy_ops.observability.health.schemas import read_drift
from agentarmy_ops.tenants.registry import Registry

CHECK = "registry"


def check_registry(
    connection: psycopg.Connection[TupleRow], registry: Registry
) -> Iterator[Finding]:
    """Compare the registry with the schemas of its database.

    Raises:
        DatabaseError: the catalogue cannot be read.
    """
    for problem in registry.problems:
        message, _, advice = problem.rpartition("; ")
        yield fail(CHECK, message, advice)
    drift = read_drift(connection, registry)
    for tenant in drift.missing:
        yield fail(
            CHECK,
            f"tenant {tenant.slug} has no schema {tenant.schema_name}",
            "restore it; was it never there, provision it; or remove its row from shared.tenants",
        )
    for schema in drift.unregistered:
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
    elif not drift.missing and not registry.problems:
        yield ok(CHECK, f"{len(registry.tenants)} tenants, each with its schema")
