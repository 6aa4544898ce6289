"""Commands to copy for one tenant. None of them can be started from the page."""

from collections.abc import Iterator
from dataclasses import dataclass

from agentarmy_ops.observability.fleet.model import PLATFORM_ID, TenantOverview
from agentarmy_ops.web.fleet.standing import EXPECTED


@dataclass(frozen=True)
class Command:
    """What it is for, and the line to copy. A slug and a backup id need no quoting in any shell:
    they have letters, digits and hyphens only, and begin with no hyphen."""

    purpose: str
    line: str


def commands(tenant: TenantOverview) -> list[Command]:
    """What can be done for a tenant that stands so, or for the platform part; first what only
    looks, then what changes something."""
    if tenant.tenant_id == PLATFORM_ID:
        return list(_of_platform(tenant))
    return list(_of_tenant(tenant))


def _of_tenant(tenant: TenantOverview) -> Iterator[Command]:
    slug, has_schema = tenant.slug, tenant.state in EXPECTED
    if tenant.proof:
        yield Command(
            "See what a restore would do, and what speaks against it",
            f"agentarmy-ops restore {slug} --dry-run",
        )
    if tenant.history and has_schema:
        yield Command("See what has changed since the newest backup", f"agentarmy-ops diff {slug}")
    if tenant.history:
        yield Command("List all backups, with their verdicts", f"agentarmy-ops backups list {slug}")
        yield Command("Prove the newest backup", f"agentarmy-ops verify --tenant {slug}")
    if has_schema:
        yield Command("Back up now", f"agentarmy-ops backup --tenant {slug}")
        yield Command(
            "Write all data into a folder, as SQL and CSV",
            f"agentarmy-ops tenant export {slug} --to {slug}-export",
        )
    if tenant.proof:
        yield Command(
            "Restore the newest backup that is verified; what is there now is kept aside",
            f"agentarmy-ops restore {slug} --backup {tenant.proof.backup_id}",
        )
    if has_schema:
        yield Command("Take the last restore back", f"agentarmy-ops restore {slug} --undo")


def _of_platform(tenant: TenantOverview) -> Iterator[Command]:
    if tenant.history:
        yield Command("List all backups", "agentarmy-ops backups list --platform")
        yield Command("Show the newest", "agentarmy-ops backups show --platform")
        yield Command("Prove the newest backup", "agentarmy-ops verify --platform")
    yield Command("Back up now", "agentarmy-ops backup --platform")
    if tenant.proof:
        yield Command(
            "Restore it into an empty database",
            "agentarmy-ops restore --platform --target "
            '"host=new-db.example dbname=app user=postgres"',
        )
