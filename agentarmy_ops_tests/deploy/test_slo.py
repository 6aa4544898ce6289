"""docs/slo.md: its queries are tried on data, its objectives are those of the rules."""

import re
from pathlib import Path

import yaml

from agentarmy_ops_tests.deploy.promql import selectors_of
from agentarmy_ops_tests.deploy.shipped import PROMETHEUS, rules
from agentarmy_ops_tests.docs.test_metrics_page import of_the_page

_PAGE = Path(__file__).parents[2] / "docs" / "slo.md"
_PROMETHEUS_OWN = {"up"}


def _queries() -> list[str]:
    found = re.findall(r"^```promql\n(.*?)^```", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [" ".join(query.split()) for query in found]


def _tried() -> str:
    """All expressions that promtool computes from data."""
    files = [PROMETHEUS / name for name in ("slo_test.yml", "slo_month_test.yml")]
    tests = [test for file in files for test in yaml.safe_load(file.read_text())["tests"]]
    computed = [case for test in tests for case in test["promql_expr_test"]]
    return "\n".join(" ".join(case["expr"].split()) for case in computed if case["exp_samples"])


def test_each_query_of_the_page_is_tried_on_data() -> None:
    assert len(_queries()) == 8
    assert [query for query in _queries() if query not in _tried()] == []


def test_queries_and_rules_ask_for_what_there_is() -> None:
    known = {*of_the_page(), *(rule.record for rule in rules()), *_PROMETHEUS_OWN}
    asked = [*_queries(), *(rule.expr for rule in rules())]
    missing = {each.metric for expr in asked for each in selectors_of(expr)} - known
    assert missing == set()


def test_what_is_measured_is_in_the_table() -> None:
    objectives = _PAGE.read_text().partition("## Who counts")[0]
    measures = {rule.record for rule in rules() if rule.record.startswith("agentarmy:slo_")}
    assert measures == set(re.findall(r"agentarmy:slo_\w+:ratio", objectives))


def test_the_alert_is_about_the_objective_of_the_page() -> None:
    (objective,) = re.findall(r"gateway_requests:rate5m` \| ([\d.]+) of req", _PAGE.read_text())
    (errors,) = [rule for rule in rules() if rule.alert == "AgentArmyGatewayErrors"]
    budgets = {float(budget) for budget in re.findall(r"\* (0\.\d+) \*", errors.expr)}
    assert budgets == {round(1 - float(objective), 6)}
