"""A real Prometheus that watches a real gateway over a fleet in trouble."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml
from dagster import DagsterInstance

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE, OWNER_ROLE
from agentarmy_ops_tests.deploy.programs import free_port, running, until
from agentarmy_ops_tests.deploy.promql import grouping_labels_of, selectors_of
from agentarmy_ops_tests.deploy.shipped import PROMETHEUS, RULES, alerts, needs, queries, rules
from agentarmy_ops_tests.deploy.troubled import ALERTS, TARGETS, WELL, make_trouble, neglect
from agentarmy_ops_tests.fix_backups import Lab, make_database

_TOKEN = "token-of-prometheus-alone"
# Labels that Prometheus, or Kubernetes, gives to all series of a target.
_OF_TARGETS = {"job", "instance", "pod"}
_VARIABLES = {"$job": "agentarmy-ops", "$slug": WELL, "$__rate_interval": "1m"}


@dataclass(frozen=True)
class Prometheus:
    """A running one, asked over HTTP."""

    client: httpx.Client

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What an expression gives now."""
        found: list[dict[str, Any]] = self.data("query", query=expr)["result"]
        return found

    def without_data(self, exprs: Iterable[str]) -> list[str]:
        """Those that give nothing, however often they are asked; a busy machine may miss a
        scrape."""
        left = list(exprs)

        def ask() -> bool:
            left[:] = [expr for expr in left if not self.query(expr)]
            return not left

        with suppress(TimeoutError):
            until(ask)
        return left

    def data(self, path: str, **params: str) -> Any:
        """The data of an answer."""
        answer = self.client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code != httpx.codes.BAD_REQUEST, answer.text
        return answer.raise_for_status().json()["data"]


@pytest.fixture(scope="module")
def gateway(
    live_server: ConnInfo,
    scratch_server: ConnInfo,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """``agentarmy-ops serve`` over a fleet and a Dagster in trouble; ``host:port``."""
    home = tmp_path_factory.mktemp("watched")
    database = make_database(live_server)
    lab = Lab(database, home / "store", scratch_server)
    make_trouble(lab)
    # No code is loaded: it is not asked for anything.
    (home / "workspace.yaml").write_text("load_from: []\n")
    (home / "dagster.yaml").write_text((PROMETHEUS.parents[1] / "dagster.yaml").read_text())
    variables = {
        "ENVIRONMENT": "testing",
        "AGENTARMY_HOME": str(home / "home"),
        "DAGSTER_HOME": str(home),
        "DATABASE_URL": database.with_params(user=OWNER_ROLE).url,
        "BACKUP_DATABASE_URL": database.with_params(user=BACKUP_ROLE).url,
        "DAGSTER_DATABASE_URL": make_database(live_server).url,
        "SCRATCH_DATABASE_URL": scratch_server.url,
        "BACKUP_STORE_URL": lab.store.url,
        "GATEWAY_AUTH": "token",
        "GATEWAY_OPERATOR_TOKEN": "the-token-of-operators-is-not-for-prometheus",
        "METRICS_TOKEN": _TOKEN,
        **TARGETS,
    }
    log = home / "gateway.log"
    command = [sys.executable, "-m", "agentarmy_ops.cli", "serve", "--port", "0"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.chdir(home)
        with DagsterInstance.get() as instance:
            neglect(instance, lab)
        with running(command, log):
            found = until(lambda: re.search(r"http://(127\.0\.0\.1:\d+)", log.read_text()))
            yield found.group(1)


@pytest.fixture(scope="module")
def prometheus(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus as it is configured by what is shipped, but for addresses and hurry."""
    program, home = needs("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus")
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del configuration["alerting"]
    (scrape,) = configuration["scrape_configs"]
    scrape["static_configs"] = [{"targets": [gateway]}]
    (home / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    for name in RULES:
        (home / name).write_text((PROMETHEUS / name).read_text())
    (home / scrape["authorization"]["credentials_file"]).write_text(f"{_TOKEN}\n")
    port = free_port()
    command = [
        program,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        running(command, home / "log"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        found = Prometheus(client)
        until(lambda: found.query("agentarmy_gateway_auth_failures_total"))
        with httpx.Client(base_url=f"http://{gateway}", trust_env=False) as visitor:
            for number in range(60):
                visitor.get("/fleet", headers={"Authorization": f"Bearer guess-{number}"})
        # Twice, so that there are rates.
        until(lambda: found.query("count_over_time(agentarmy_dagster_runs[1m]) > 1"))
        until(lambda: found.query("count_over_time(agentarmy_store_bytes[1m]) > 1"))
        with suppress(TimeoutError):  # the test that compares them shows what is missing
            until(lambda: _active(found) == ALERTS)
        yield found


def _active(prometheus: Prometheus) -> dict[str, set[str | None]]:
    """Whom each alert is about that is pending or firing."""
    found: defaultdict[str, set[str | None]] = defaultdict(set)
    for alert in prometheus.data("alerts")["alerts"]:
        labels = alert["labels"]
        found[labels["alertname"]].add(labels.get("slug"))
    return dict(found)


def test_alerts_are_about_who_is_in_trouble_and_nobody_else(prometheus: Prometheus) -> None:
    assert _active(prometheus) == ALERTS


def test_each_rule_can_be_evaluated(prometheus: Prometheus) -> None:
    loaded = [rule for group in prometheus.data("rules")["groups"] for rule in group["rules"]]
    assert len(loaded) == len(rules())
    assert [rule["lastError"] for rule in loaded if rule["health"] != "ok"] == []


def test_each_alert_that_is_not_tried_here_asks_for_what_is_there(prometheus: Prometheus) -> None:
    """The others gave data above."""
    untried = [rule for rule in alerts() if rule.alert not in ALERTS]
    metrics = {selector.metric for rule in untried for selector in selectors_of(rule.expr)}
    assert prometheus.without_data(metrics) == []


def _chosen(expr: str) -> str:
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def test_each_panel_shows_something(prometheus: Prometheus) -> None:
    assert prometheus.without_data(_chosen(expr) for _, expr in queries()) == []


def test_labels_that_queries_name_are_there(prometheus: Prometheus) -> None:
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for series in prometheus.data("series", **{"match[]": '{job="agentarmy-ops"}'}):
        labels[series["__name__"]] |= {*series} - {"__name__"} | _OF_TARGETS
    for expr in [rule.expr for rule in rules()] + [expr for _, expr in queries()]:
        selectors = list(selectors_of(expr))
        missing = [each for each in selectors if not each.labels <= labels[each.metric]]
        assert missing == [], expr
        known = set[str]().union(*(labels[each.metric] for each in selectors))
        assert grouping_labels_of(expr) <= known, expr


def test_without_its_token_prometheus_gets_nothing(gateway: str) -> None:
    with httpx.Client(base_url=f"http://{gateway}", trust_env=False) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": f"Bearer {_TOKEN}"}).is_success
