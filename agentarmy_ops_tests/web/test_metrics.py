"""The route /metrics, over HTTP."""

import gzip
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette

from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.exporter import Exporter
from agentarmy_ops.web.metrics import metrics_route
from agentarmy_ops_tests.observability.fleet.examples import fleet, tenant
from agentarmy_ops_tests.web.site import served, settings_of


@pytest.fixture(scope="module")
def site() -> Iterator[httpx.Client]:
    """Metrics of a fleet that was read."""
    registry = CollectorRegistry()
    Counter("knocks", "Knocks.", registry=registry)
    cache = Background("fleet", lambda _: fleet(tenant("acme")), 3600)
    exporter = Exporter(cache, settings_of(), (registry,))
    cache.refresh_now()
    with (
        served(Starlette(routes=[metrics_route(exporter)])) as site,
        httpx.Client(base_url=site.url, trust_env=False) as client,
    ):
        yield client


def test_plain(site: httpx.Client) -> None:
    answer = site.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"
    assert 'agentarmy_backup_rows{tenant_id="id-acme"} 420\n' in answer.text
    assert "knocks_total 0.0\n" in answer.text


@pytest.mark.parametrize("accepted", ["gzip", "deflate, GZIP;q=0.5", "br ,gzip"])
def test_compressed(site: httpx.Client, accepted: str) -> None:
    plain = site.get("/metrics", headers={"Accept-Encoding": "identity"}).content
    headers = {"Accept-Encoding": accepted}
    with site.stream("GET", "/metrics", headers=headers) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == plain
    assert int(answer.headers["content-length"]) == len(raw) < len(plain)
    # A client that decompresses by itself sees it whole.
    assert site.get("/metrics", headers=headers).content == plain


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0, br", "x-gzip"])
def test_not_compressed_for_who_cannot_read_it(site: httpx.Client, accepted: str) -> None:
    answer = site.get("/metrics", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers


def test_it_is_only_read(site: httpx.Client) -> None:
    assert site.head("/metrics").status_code == 200
    assert site.post("/metrics").status_code == 405
