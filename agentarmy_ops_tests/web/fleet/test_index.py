"""Who is found, and in which order."""

from datetime import timedelta

import pytest

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import State
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.web.fleet.index import FleetIndex, growth
from agentarmy_ops.web.fleet.query import Column, FleetQuery, Order, VerdictIs
from agentarmy_ops.web.fleet.standing import Freshness, Judge, ProofAge
from agentarmy_ops_tests.web.fleet.invented import NOW, fleet, nights, tenant

JUDGE = Judge(NOW, Targets(timedelta(hours=26), timedelta(days=8), 60))
VERIFIED, FAILED = Status.VERIFIED, Status.FAILED
INDEX = FleetIndex(
    fleet(
        tenant("new", name="Nova \u0130stanbul"),
        tenant("acme", nights([100, 300], verdicts=[VERIFIED, VERIFIED]), restore=9.0),
        tenant("globex", nights([50, 40], hours_ago=30, verdicts=[VERIFIED, FAILED]), restore=2.0),
        tenant("old", nights([700], hours_ago=900), state=State.UNREGISTERED),
        tenant("quiet", nights([300, 300], hours_ago=1), state=State.INACTIVE, name="Stra\u00dfe"),
    )
)


def found(**asked: object) -> list[str]:
    query = FleetQuery(**asked)  # type: ignore[arg-type]
    return [each.slug for each in INDEX.find(query, JUDGE)]


@pytest.mark.parametrize(
    ("column", "ascending", "descending"),
    [
        ("tenant", "acme globex new old quiet", "quiet old new globex acme"),
        ("state", "acme globex new quiet old", "old quiet acme globex new"),
        ("age", "quiet acme globex old new", "old globex acme quiet new"),
        ("stored", "globex acme quiet old new", "old acme quiet globex new"),
        ("plain", "globex acme quiet old new", "old acme quiet globex new"),
        ("trend", "globex quiet acme new old", "acme quiet globex new old"),
        ("verdict", "globex old quiet acme new", "acme old quiet globex new"),
        ("restore", "globex acme new old quiet", "acme globex new old quiet"),
    ],
)
def test_each_column_sorts_both_ways(column: str, ascending: str, descending: str) -> None:
    """Who has the same value stands by slug, and who has none at the end, both ways."""
    assert found(sort=Column(column)) == ascending.split()
    assert found(sort=Column(column), order=Order.DESCENDING) == descending.split()
    assert found(sort=Column(column)) == ascending.split()


@pytest.mark.parametrize(
    ("searched", "slugs"),
    [
        ("ACM", "acme"),
        ("glob ex", "globex"),
        ("glob acme", ""),
        ("STRASSE", "quiet"),
        ("stra\u00dfe", "quiet"),
        ("\u0130stanbul", "new"),
        (INDEX.fleet.by_slug["old"].tenant_id[:9], "old"),
        (INDEX.fleet.by_slug["old"].tenant_id[1:9], ""),
        ("%", ""),
        (".*", ""),
        ("acme\nacme", "acme"),
    ],
)
def test_each_word_is_searched_in_slug_and_name_and_begins_an_id(searched: str, slugs: str) -> None:
    assert found(q=searched) == slugs.split()


def test_filters() -> None:
    assert found(state=State.INACTIVE) == ["quiet"]
    assert found(verdict=VerdictIs.VERIFIED) == ["acme"]
    assert found(verdict=VerdictIs.FAILED) == ["globex"]
    assert found(verdict=VerdictIs.NONE) == ["new", "old", "quiet"]
    assert found(freshness=Freshness.FRESH) == ["acme", "quiet"]
    assert found(freshness=Freshness.STALE) == ["globex"]
    assert found(freshness=Freshness.NEVER) == ["new"]
    assert found(proof=ProofAge.CURRENT) == ["acme", "globex"]
    assert found(proof=ProofAge.OVERDUE) == ["new", "quiet"]
    assert found(q="e", freshness=Freshness.FRESH, state=State.ACTIVE) == ["acme"]


def test_what_is_fresh_is_asked_each_time() -> None:
    later = Judge(NOW + timedelta(hours=24), JUDGE.targets)
    stale = INDEX.find(FleetQuery(freshness=Freshness.STALE), later)
    assert [each.slug for each in stale] == ["acme", "globex"]


def test_growth_needs_something_to_grow_from() -> None:
    assert growth(tenant("acme", nights([100, 900, 150]))) == pytest.approx(0.5)
    assert growth(tenant("acme", nights([100]))) is None
    assert growth(tenant("acme", nights([0, 100]))) is None
    assert growth(tenant("acme")) is None
