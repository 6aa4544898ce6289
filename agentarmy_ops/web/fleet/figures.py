"""The fleet in numbers: counted once for each reading, so that a page has only to compare times."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import Fleet, State
from agentarmy_ops.web.fleet.standing import EXPECTED, Freshness, Judge, ProofAge


class Figures:
    """Counts of a reading's tenants. ``backups`` counts the platform part's, too; ``expected`` are
    the tenants of whom backups are expected."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.states: Mapping[State, int] = Counter(tenant.state for tenant in fleet.tenants)
        self.failed = sum(tenant.verdict is Status.FAILED for tenant in fleet.tenants)
        self.backups = fleet.platform.backups + sum(tenant.backups for tenant in fleet.tenants)
        expected = [tenant for tenant in fleet.tenants if tenant.state in EXPECTED]
        self.expected = len(expected)
        self._taken = sorted(each.history[-1].taken_at for each in expected if each.history)
        self._proven = sorted(each.proof.taken_at for each in expected if each.proof)

    def freshness(self, judge: Judge) -> Mapping[Freshness, int]:
        """How many tenants :meth:`Judge.freshness` calls so."""
        fresh = _since(self._taken, judge.now - judge.targets.backup_age)
        return {
            Freshness.FRESH: fresh,
            Freshness.STALE: len(self._taken) - fresh,
            Freshness.NEVER: self.expected - len(self._taken),
        }

    def proofs(self, judge: Judge) -> Mapping[ProofAge, int]:
        """How many tenants :meth:`Judge.proof` calls so."""
        current = _since(self._proven, judge.now - judge.targets.proof_age)
        return {ProofAge.CURRENT: current, ProofAge.OVERDUE: self.expected - current}


def _since(moments: Sequence[datetime], begin: datetime) -> int:
    return len(moments) - bisect_left(moments, begin)
