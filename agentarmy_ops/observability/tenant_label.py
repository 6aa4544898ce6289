"""What metrics call a tenant."""

from starlette.types import Scope

from agentarmy_ops.observability.context import TenantContext, current_tenant

# No tenant was named, or one that is not in the registry.
UNKNOWN_TENANT = "unknown"

# Where a TenantMiddleware leaves the tenant, for the middlewares around it.
TENANT_KEY = "agentarmy.tenant"


def request_tenant(scope: Scope) -> TenantContext | None:
    """The tenant a request is for, inside of the block that works for it or outside."""
    tenant: TenantContext | None = scope.get(TENANT_KEY)
    return tenant or current_tenant()


def tenant_label(scope: Scope) -> str:
    """The tenant's id as text, or :data:`UNKNOWN_TENANT`."""
    tenant = request_tenant(scope)
    return str(tenant.tenant_id) if tenant else UNKNOWN_TENANT
