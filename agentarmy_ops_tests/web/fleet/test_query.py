"""Query strings: what is asked for comes back in the links, and nonsense is refused."""

from urllib.parse import parse_qsl

import pytest

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.observability.fleet.model import State
from agentarmy_ops.web.fleet.query import Column, FleetQuery, Order, VerdictIs, read_query
from agentarmy_ops.web.fleet.standing import Freshness, ProofAge

QUERIES = [
    FleetQuery(),
    FleetQuery(q="a&b=c #%\u202e\u05e9<x>"),
    FleetQuery(state=State.OFFBOARDING, freshness=Freshness.NEVER),
    FleetQuery(verdict=VerdictIs.NONE, proof=ProofAge.OVERDUE, page=7),
    FleetQuery(sort=Column.RESTORE, order=Order.DESCENDING),
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.link())
def test_a_link_asks_for_the_same(query: FleetQuery) -> None:
    path, _, given = query.link().partition("?")
    assert path == "/fleet"
    assert read_query(dict(parse_qsl(given))) == query


def test_what_goes_without_saying_is_left_out_of_a_link() -> None:
    assert FleetQuery().link() == "/fleet"
    asked = FleetQuery(q="x", page=3)
    assert asked.link(page=1) == "/fleet?q=x"
    assert asked.link("/fleet.json", q="") == "/fleet.json?page=3"


def test_the_heading_of_the_column_in_force_turns_it_round() -> None:
    asked = FleetQuery(q="x", page=3, sort=Column.AGE)
    assert asked.sorted_by(Column.AGE) == "/fleet?q=x&sort=age&order=desc"
    assert asked.sorted_by(Column.TENANT) == "/fleet?q=x"
    turned = FleetQuery(sort=Column.AGE, order=Order.DESCENDING)
    assert turned.sorted_by(Column.AGE) == "/fleet?sort=age"
    assert turned.sorted_by(Column.STATE) == "/fleet?sort=state"


def test_an_empty_form_and_names_that_mean_nothing() -> None:
    names = ("q", "state", "freshness", "verdict", "proof", "sort", "order", "page")
    assert read_query({**dict.fromkeys(names, " "), "utm": "1"}) == FleetQuery()


@pytest.mark.parametrize("name", ["state", "freshness", "verdict", "proof", "sort", "order"])
@pytest.mark.parametrize("value", ["nonsense", "ACTIVE", "' OR 1=1 --", "\0", "__class__"])
def test_what_is_no_choice_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{name} can be ") as refused:
        read_query({name: value})
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.5", "x", "\u00b2", "\u0663", "1" * 10, "1e3", "+1"]
)
def test_what_is_no_page_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^page is a number"):
        read_query({"page": value})


def test_a_search_has_an_end() -> None:
    assert read_query({"q": "x" * 5000}).q == "x" * 200


def test_whether_anything_is_left_out() -> None:
    assert not FleetQuery(sort=Column.AGE, order=Order.DESCENDING, page=2).filtered
    others = (FleetQuery(q="x"), FleetQuery(state=State.ACTIVE), FleetQuery(proof=ProofAge.CURRENT))
    assert all(query.filtered for query in others)
