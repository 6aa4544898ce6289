"""Addresses of pages of the Dagster UI, which the gateway serves at ``/``."""

from urllib.parse import quote

from agentarmy_ops.observability.fleet.model import PLATFORM_ID, TenantOverview


def backups_page(tenant: TenantOverview) -> str:
    """What Dagster recorded of its backups."""
    if tenant.tenant_id == PLATFORM_ID:
        return "/assets/platform_backup"
    return asset_partition("tenant_backup", tenant.slug)


def asset_partition(asset: str, slug: str) -> str:
    """A tenant's partition of an asset: its newest materialization, with the run that made it."""
    return f"/assets/{asset}?view=partitions&partition={quote(slug, safe='')}"


def runs_of_job(job: str) -> str:
    """The runs of a job, newest first. Most are of many tenants, and Dagster tags such a run with
    the first and the last of them: the runs of one tenant cannot be asked for."""
    return f"/runs?q%5B0%5D=job%3A{quote(job, safe='')}"
