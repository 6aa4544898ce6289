from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from agentarmy_ops.runtime import Runtime
from agentarmy_ops.web.app import create_gateway
from agentarmy_ops_tests.web.site import METRICS, OPERATOR, TOKENS, VIEWER, Site, bearer, served


@pytest.fixture
def gateway(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """All of it, while Dagster is not loaded yet: nothing is open for that."""
    for name, value in {**TOKENS, "metrics_token": METRICS}.items():
        monkeypatch.setenv(name.upper(), value)
    with served(create_gateway(Runtime(), [])) as site:
        yield site


def test_whole_gateway(gateway: Site) -> None:
    """Each part of the whole gateway without a token: Dagster, `/fleet`, `/metrics`, unknown paths
    => 401; viewers change nothing there"""
    for path in (
        "/",
        "/graphql",
        "/fleet",
        "/fleet/acme",
        "/fleet/acme/",
        "/metrics",
        "/server_info",
        "/logs/a/b/out",
        "/download_debug/1",
        "/report_asset_materialization/a",
        "/favicon.ico",
        "/_next/static/x.js",
        "/docs",
        "/openapi.json",
        "/health/x",
        "/%2e%2e",
    ):
        for headers in ({}, {"X-Tenant-ID": "acme"}, bearer("wrong") if path == "/" else {}):
            for method in ("GET", "POST", "HEAD"):
                status = gateway.send(method, path, headers=headers).status_code
                assert status == (400 if ".." in path or "%2e" in path else 401), (method, path)
        status = gateway.post(path, headers=bearer(VIEWER)).status_code
        assert status in (400, 403, 503) and (status != 503 or path == "/graphql"), path
    for path in ("/graphql", "/fleet", "/health"):
        with pytest.raises(InvalidStatus) as refused:
            gateway.websocket(path)
        assert refused.value.response.status_code == 403
    assert gateway.get("/logout").status_code == 401
    assert gateway.post("/health").status_code == 401
    assert gateway.get("/health").status_code == 200
    assert gateway.get("/login").status_code == 200
    assert gateway.get("/metrics", headers=bearer(METRICS)).status_code == 200
    assert gateway.get("/fleet", headers=bearer(METRICS)).status_code == 401
    assert gateway.get("/fleet", headers=bearer(OPERATOR)).status_code in (200, 503)
