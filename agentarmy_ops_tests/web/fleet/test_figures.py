"""What is counted in advance is what the judge says of each tenant."""

from collections import Counter
from datetime import timedelta

import pytest

from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.web.fleet.figures import Figures
from agentarmy_ops.web.fleet.standing import Freshness, Judge, ProofAge
from agentarmy_ops_tests.web.fleet.invented import NOW, large_fleet

FLEET = large_fleet(800)
FIGURES = Figures(FLEET)
TARGETS = Targets(timedelta(hours=26), timedelta(days=8), 60)


@pytest.mark.parametrize("hours", [0, 4, 26, 100, 1000])
def test_the_counts_are_the_judges(hours: float) -> None:
    judge = Judge(NOW + timedelta(hours=hours), TARGETS)
    counts = Counter(judge.freshness(tenant) for tenant in FLEET.tenants)
    assert FIGURES.freshness(judge) == {each: counts[each] for each in Freshness}
    proofs = Counter(judge.proof(tenant) for tenant in FLEET.tenants)
    assert FIGURES.proofs(judge) == {each: proofs[each] for each in ProofAge}


def test_a_backup_as_old_as_the_target_counts_as_the_judge_says() -> None:
    taken = FLEET.tenants[5].history[-1].taken_at
    judge = Judge(taken + timedelta(hours=26), TARGETS)
    counts = Counter(judge.freshness(tenant) for tenant in FLEET.tenants)
    assert FIGURES.freshness(judge)[Freshness.FRESH] == counts[Freshness.FRESH] > 0
