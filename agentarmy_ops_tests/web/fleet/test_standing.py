"""Freshness and proofs, to the second."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import State
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.web.fleet.standing import EXPECTED, Freshness, Judge, ProofAge
from agentarmy_ops_tests.web.fleet.invented import NOW, nights, tenant
from agentarmy_ops_tests.web.site import settings_of

TARGETS = Targets(timedelta(hours=26), timedelta(days=8), 60)
JUDGE = Judge(NOW, TARGETS)
VERIFIED = [Status.VERIFIED]


def test_the_targets_are_the_settings() -> None:
    settings = settings_of(
        backup_freshness_hours=5, verification_freshness_days=3, restore_target_seconds=7
    )
    assert Targets.of(settings) == Targets(timedelta(hours=5), timedelta(days=3), 7)


@pytest.mark.parametrize(("late", "expected"), [(0, Freshness.FRESH), (1, Freshness.STALE)])
def test_a_backup_is_stale_when_it_is_older_than_the_target(late: int, expected: Freshness) -> None:
    one = tenant("acme", nights([9], hours_ago=26))
    assert Judge(NOW + timedelta(seconds=late), TARGETS).freshness(one) is expected


@pytest.mark.parametrize(("late", "expected"), [(0, ProofAge.CURRENT), (1, ProofAge.OVERDUE)])
def test_a_proof_is_as_old_as_what_it_proves(late: int, expected: ProofAge) -> None:
    """Not as the verification, which may be of yesterday."""
    one = tenant("acme", nights([9], hours_ago=8 * 24, verdicts=VERIFIED))
    assert Judge(NOW + timedelta(seconds=late), TARGETS).proof(one) is expected


def test_who_has_nothing() -> None:
    assert JUDGE.freshness(tenant("new")) is Freshness.NEVER
    assert JUDGE.proof(tenant("new")) is ProofAge.OVERDUE
    assert JUDGE.proof(tenant("unproven", nights([9]))) is ProofAge.OVERDUE
    assert JUDGE.restores_in_time(tenant("new")) is None


@pytest.mark.parametrize("state", State)
def test_of_whom_backups_are_expected(state: State) -> None:
    one = tenant("acme", nights([9], hours_ago=900), state=state)
    expected = state in {State.ACTIVE, State.INACTIVE, State.OFFBOARDING}
    assert (state in EXPECTED) is expected
    assert JUDGE.freshness(one) is (Freshness.STALE if expected else None)
    assert JUDGE.proof(one) is (ProofAge.OVERDUE if expected else None)


@pytest.mark.parametrize(("restore", "met"), [(60, True), (60.1, False), (None, None)])
def test_the_time_a_restore_took(restore: float | None, met: bool | None) -> None:
    one = tenant("acme", nights([9], verdicts=VERIFIED), restore=restore)
    assert JUDGE.restores_in_time(replace(one, state=State.UNREGISTERED)) is met
