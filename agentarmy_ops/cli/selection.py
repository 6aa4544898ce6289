"""From the command line to tenants of the registry, before any work."""

from agentarmy_ops.errors import TenantNotFoundError
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import Tenant, read_registry, read_tenant


def select_tenants(runtime: Runtime, slugs: tuple[str, ...]) -> tuple[list[Tenant], list[str]]:
    """The tenants of ``slugs`` or, where none is given, all, with one line for each row of the
    registry that cannot be used.

    Raises:
        TenantNotFoundError: one of the slugs is in no row, or no row is there at all.
        DatabaseError: the registry cannot be read.
    """
    with runtime.registry() as connection:
        if slugs:
            return [read_tenant(connection, slug) for slug in dict.fromkeys(slugs)], []
        registry = read_registry(connection)
        if not registry.tenants and not registry.problems:
            # An empty registry is also what a wrong DATABASE_URL looks like.
            raise TenantNotFoundError(
                f"there are no tenants in shared.tenants of database {connection.info.dbname}; "
                "provision one, or check DATABASE_URL"
            )
        return registry.tenants, registry.problems
