"""How a tenant stands at a moment: is its newest backup fresh, its newest proof current?"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agentarmy_ops.observability.fleet.model import State, TenantOverview
from agentarmy_ops.observability.targets import Targets

# Whose backups are made every night: who has a row in the registry and a schema.
EXPECTED = frozenset({State.ACTIVE, State.INACTIVE, State.OFFBOARDING})


class Freshness(StrEnum):
    """Of the newest backup of a tenant that is backed up every night."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"


class ProofAge(StrEnum):
    """Of the newest backup that was verified. ``overdue``: it is too old, or there is none."""

    CURRENT = "current"
    OVERDUE = "overdue"


@dataclass(frozen=True)
class Judge:
    """Holds tenants against the targets at one moment."""

    now: datetime
    targets: Targets

    def freshness(self, tenant: TenantOverview) -> Freshness | None:
        """None: no backup is expected of it."""
        if tenant.state not in EXPECTED:
            return None
        if not tenant.history:
            return Freshness.NEVER
        fresh = tenant.is_fresh(self.now, self.targets.backup_age)
        return Freshness.FRESH if fresh else Freshness.STALE

    def proof(self, tenant: TenantOverview) -> ProofAge | None:
        """None: no backup is expected of it, so no proof either."""
        if tenant.state not in EXPECTED:
            return None
        proof = tenant.proof
        current = proof is not None and self.now - proof.taken_at <= self.targets.proof_age
        return ProofAge.CURRENT if current else ProofAge.OVERDUE

    def restores_in_time(self, tenant: TenantOverview) -> bool | None:
        """Whether its proven restore time meets the target; None: it was never measured."""
        if tenant.proof is None or tenant.proof.restore_seconds is None:
            return None
        return tenant.proof.restore_seconds <= self.targets.restore_seconds
