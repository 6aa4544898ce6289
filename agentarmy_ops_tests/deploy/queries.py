"""Pieces of PromQL that the panels share.

Replicas of the gateway all say the same, hence ``max by``. ``$job`` and ``$slug`` are variables of
the dashboard.
"""

ACTIVE = 'max by (tenant_id, slug) (agentarmy_tenant_info{job="$job",state="active"})'
CHOSEN = 'max by (tenant_id, slug) (agentarmy_tenant_info{job="$job",slug="$slug"})'


def one(metric: str) -> str:
    """A metric of each tenant."""
    return f'max by (tenant_id) ({metric}{{job="$job"}})'


def age(metric: str) -> str:
    """How long ago the moment is that a metric tells of each tenant, in seconds."""
    return f"(time() - {one(metric)})"


def failed() -> str:
    """1 for each tenant whose newest verdict is ``failed``."""
    return 'max by (tenant_id) (agentarmy_backup_verdict{job="$job",verdict="failed"})'


def of_active(query: str) -> str:
    """What a query gives for active tenants."""
    return f"({query} and on (tenant_id) {ACTIVE})"


def with_slug(query: str, tenants: str = ACTIVE) -> str:
    """The same with the label ``slug``: of active tenants, or of others."""
    return f"{query} * on (tenant_id) group_left (slug) {tenants}"
