"""The alert rules: what the tools of Prometheus and Alertmanager say, and what the docs say."""

import re
import subprocess
from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.shipped import PROMETHEUS, RULES, Rule, alerts, needs

_TESTS = ("rules_test.yml", "rules_weeks_test.yml", "slo_test.yml", "slo_month_test.yml")


def run(*command: str) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_rules_and_configuration() -> None:
    promtool = needs("promtool", "prometheus")
    run(promtool, "check", "rules", *RULES)
    # Without --syntax-only it asks for the token's file, which is the operator's.
    run(promtool, "check", "config", "--syntax-only", "prometheus.yml")


@pytest.mark.parametrize("tests", _TESTS)
def test_each_alert_fires_when_it_should_and_only_then(tests: str) -> None:
    run(needs("promtool", "prometheus"), "test", "rules", tests)


def test_each_alert_has_a_test() -> None:
    tested = {
        name
        for tests in _TESTS
        for name in re.findall(r"alertname: (\w+)", (PROMETHEUS / tests).read_text())
    }
    assert tested == {rule.alert for rule in alerts()}


def test_alertmanager_accepts_its_configuration() -> None:
    run(needs("amtool", "prometheus-alertmanager"), "check-config", "alertmanager.yml")


@pytest.mark.parametrize(("severity", "receiver"), [("page", "pager"), ("ticket", "tickets")])
def test_who_is_told(severity: str, receiver: str) -> None:
    amtool = needs("amtool", "prometheus-alertmanager")
    routed = run(
        amtool, "config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}"
    )
    assert routed.split() == [receiver]


_PAGE = "docs/runbooks/alerts.md"
_PARTS = ("Means", "At risk", "Look first", "Causes", "Do", "Escalate")


def _sections(repository_root: Path) -> dict[str, str]:
    """What the runbook says of each alert."""
    page = (repository_root / _PAGE).read_text()
    return dict(re.findall(r"^## (AgentArmy\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))


def test_each_alert_leads_to_its_section_of_the_runbook(repository_root: Path) -> None:
    assert {rule.alert: rule.annotations["runbook_url"] for rule in alerts()} == {
        name: f"{_PAGE}#{name.lower()}" for name in _sections(repository_root)
    }


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.alert)
def test_the_runbook_says_what_to_do(rule: Rule, repository_root: Path) -> None:
    section = _sections(repository_root)[rule.alert]
    assert section.startswith(f"\n*{rule.labels['severity'].capitalize()}.*\n")
    said = [part for part in _PARTS if re.search(rf"\*\*{part}\.\*\*", section)]
    assert said == list(_PARTS)


def test_the_table_of_alerts_says_how_grave_each_is(repository_root: Path) -> None:
    page = (repository_root / "docs" / "alerts.md").read_text()
    row = r"^\| \[(AgentArmy\w+)\]\(runbooks/alerts\.md#(\w+)\) \| (\w+) \|"
    rows = re.findall(row, page, re.MULTILINE)
    assert all(name.lower() == anchor for name, anchor, _ in rows)
    said = {name: severity for name, _, severity in rows}
    assert said == {rule.alert: rule.labels["severity"] for rule in alerts()}
    assert {rule.labels["severity"] for rule in alerts()} == {"page", "ticket"}
