"""docs/metrics.md names each metric that is exported, its type and its labels, and no other."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.exporter import Exporter
from agentarmy_ops.observability.health.changes import Seen
from agentarmy_ops.observability.health.memory import Memory
from agentarmy_ops.observability.health.problem import Check, Key
from agentarmy_ops.observability.http_metrics import MetricsMiddleware
from agentarmy_ops.observability.llm import track_llm_call
from agentarmy_ops.orchestration.health.metrics import HealthMetrics
from agentarmy_ops.orchestration.run_metrics import DagsterFacts, DagsterMetrics
from agentarmy_ops.settings import Settings
from agentarmy_ops.web.auth.failures import FAILURES
from agentarmy_ops_tests.deploy.promql import grouping_labels_of, selectors_of
from agentarmy_ops_tests.deploy.shipped import needs
from agentarmy_ops_tests.observability.fleet.examples import fleet, tenant

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|(.*?)\|", re.MULTILINE)
_QUERIES = re.compile(r"^```promql\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SUFFIX = re.compile(r"_(?:bucket|count|sum)$")


class Described(NamedTuple):
    """A metric as the page, or a scrape, shows it."""

    type: str
    labels: frozenset[str]


def of_the_page() -> dict[str, Described]:
    rows = _ROW.findall(_PAGE.read_text())
    found = {
        name: Described(kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in rows
    }
    assert len(found) == len(rows)
    return found


def exported() -> dict[str, Described]:
    """All that the gateway and an application can export, with a sample of each."""
    registry = CollectorRegistry()
    registry.register(FAILURES)
    with DagsterInstance.ephemeral() as instance:
        dagster, health = DagsterMetrics(instance), HealthMetrics(instance)
        dagster.current = DagsterFacts(1, {("job", DagsterRunStatus.QUEUED): 1}, 1, {"SENSOR": 1})
        health.current = {"sensor": Memory(1, {Key(Check.STALE_BACKUP, "t1"): Seen(1, True)})}
        registry.register(dagster)
        registry.register(health)
    with track_llm_call("model", "t1", registry=registry) as call:
        call.count_tokens(prompt=1)
    application = MetricsMiddleware(Starlette(), registry=registry)
    cache = Background("fleet", lambda _: fleet(tenant("acme")), 3600)
    exporter = Exporter(cache, Settings(_env_file=None), (registry,))
    cache.refresh_now()
    _ask(application)
    text = exporter.expose().plain().decode()
    return {
        family.name + ("_total" if family.type == "counter" else ""): Described(
            family.type,
            frozenset(name for sample in family.samples for name in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(text)
        if not family.name.endswith("_created")  # of prometheus_client's own
    }


def _ask(application: MetricsMiddleware) -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            await client.get("/")

    asyncio.run(ask())


def test_the_page_names_what_is_exported() -> None:
    assert of_the_page() == exported()


def queries() -> list[str]:
    """The queries of the page, each after its comments."""
    blocks = "\n".join(_QUERIES.findall(_PAGE.read_text())).split("\n\n")
    lines = [[ln for ln in block.splitlines() if not ln.startswith("#")] for block in blocks]
    return [query for each in lines if (query := "\n".join(each).strip())]


@pytest.mark.parametrize("query", queries())
def test_queries_name_what_there_is(query: str) -> None:
    known = of_the_page()
    labels = {"le"}
    for selector in selectors_of(query):
        metric = known[_SUFFIX.sub("", selector.metric)]
        assert selector.labels <= metric.labels
        labels |= metric.labels
    assert grouping_labels_of(query) <= labels


def test_prometheus_understands_the_queries(tmp_path: Path) -> None:
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries())]
    assert len(rules) == 9
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    promtool = needs("promtool", "prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
