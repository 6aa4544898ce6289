"""What the catalogues say of a restored schema: is it isolated, are its constraints valid?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentarmy_ops.backups.findings import Findings
from agentarmy_ops.backups.inventory import not_valid_of, security_of
from agentarmy_ops.backups.manifest import Manifest, TableSecurity
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.tenants.isolation import POLICY


@dataclass(frozen=True)
class RestoredState:
    """What the catalogues of a scratch database say of a restored schema."""

    security: tuple[TableSecurity, ...]
    not_valid: tuple[str, ...]


def restored_states(connection: Connection, schemas: Sequence[str]) -> Mapping[str, RestoredState]:
    """What the catalogues say of restored schemas, in one query each for all.

    Raises:
        DatabaseError: PostgreSQL refused it.
    """
    security = security_of(connection, schemas)
    unproven = not_valid_of(connection, schemas)
    return {schema: RestoredState(security[schema], unproven[schema]) for schema in schemas}


def isolation_flaws(table: TableSecurity) -> Iterator[str]:
    """Why another tenant's session could see the table's rows."""
    if not table.enabled:
        yield "row-level security is not enabled"
    elif not table.forced:
        yield "row-level security is not forced"
    if POLICY not in table.policies:
        yield f"policy {POLICY} is missing"


def check_restored(findings: Findings, manifest: Manifest, state: RestoredState) -> None:
    """Isolation and constraints, by the catalogues of the restored database."""
    for table in state.security:
        findings.causes += [f"table {table.table}: {flaw}" for flaw in isolation_flaws(table)]
    if state.security != manifest.row_level_security:
        findings.causes.append("row-level security differs from what the manifest lists")
    unproven = sorted(set(state.not_valid) - set(manifest.not_valid))
    findings.causes += [f"{name} is not valid" for name in unproven]
