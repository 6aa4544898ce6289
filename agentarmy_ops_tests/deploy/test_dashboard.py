"""The dashboard as a file; test_prometheus.py runs its queries."""

from itertools import combinations
from typing import Any

from agentarmy_ops_tests.deploy.generate import text
from agentarmy_ops_tests.deploy.panels import WIDTH
from agentarmy_ops_tests.deploy.shipped import DASHBOARD, panels, queries


def test_it_is_what_the_generator_writes() -> None:
    assert DASHBOARD.read_text() == text(), "python -m agentarmy_ops_tests.deploy.generate"


def test_ids_are_unique() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in panels()]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= WIDTH for place in places)
    assert [pair for pair in combinations(places, 2) if _overlap(*pair)] == []


def test_each_panel_says_what_it_shows_and_in_what_unit() -> None:
    shown: list[dict[str, Any]] = [panel for panel in panels() if panel["type"] != "row"]
    lacking = [
        panel["title"]
        for panel in shown
        if not (
            panel["title"]
            and panel["description"].endswith(".")
            and panel["targets"]
            and panel["fieldConfig"]["defaults"]["unit"]
            and panel["datasource"]["uid"] == "${datasource}"
        )
    ]
    assert lacking == []


def test_each_query_is_about_the_chosen_job() -> None:
    assert [title for title, expr in queries() if '{job="$job"' not in expr] == []
