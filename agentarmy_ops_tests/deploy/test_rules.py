"""The alert rules: what the tools of Prometheus and Alertmanager say, and what the docs say."""

import re
import subprocess
from pathlib import Path

import pytest

from agentarmy_ops_tests.deploy.shipped import PROMETHEUS, alerts, needs
from agentarmy_ops_tests.docs.pages import anchors_of

_TESTS = ("rules_test.yml", "rules_weeks_test.yml")


def run(*command: str) -> str:
    """What a command prints that must succeed."""
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_rules_and_configuration() -> None:
    promtool = needs("promtool", "prometheus")
    run(promtool, "check", "rules", "rules.yml")
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


def test_each_alert_is_described(repository_root: Path) -> None:
    documented = anchors_of(repository_root / "docs" / "alerts.md")
    pages = {rule.annotations["runbook_url"].partition("#") for rule in alerts()}
    assert {page for page, _, _ in pages} == {"docs/alerts.md"}
    assert {anchor for _, _, anchor in pages} == {rule.alert.lower() for rule in alerts()}
    named = {anchor for anchor in documented if anchor.startswith("agentarmy")}
    assert named == {rule.alert.lower() for rule in alerts()}


def test_the_page_says_how_grave_each_is(repository_root: Path) -> None:
    page = (repository_root / "docs" / "alerts.md").read_text()
    said = dict(re.findall(r"^\| \[(AgentArmy\w+)\]\(#\w+\) \| (\w+) \|", page, re.MULTILINE))
    assert said == {rule.alert: rule.labels["severity"] for rule in alerts()}
    assert {rule.labels["severity"] for rule in alerts()} == {"page", "ticket"}
