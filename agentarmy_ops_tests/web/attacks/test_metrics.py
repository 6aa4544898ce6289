from collections.abc import Iterator

import pytest

from agentarmy_ops_tests.web.site import METRICS, OPERATOR, TOKENS, VIEWER, Site, bearer, site_of


@pytest.fixture(scope="module")
def site_without_login() -> Iterator[Site]:
    with site_of(metrics_token=METRICS) as site:
        yield site


def test_metrics(fresh_site: Site) -> None:
    """`/metrics` without a token, with a wrong one, or with `METRICS_TOKEN` elsewhere than in the
    header => 401"""
    for headers in ({}, bearer("wrong"), bearer(METRICS[:-1]), {"X-Token": METRICS}):
        assert fresh_site.get("/metrics", headers=headers).status_code == 401
    assert fresh_site.get("/metrics", params={"token": METRICS}).status_code == 401
    assert fresh_site.log_in(METRICS).status_code == 401
    for token in (METRICS, OPERATOR, VIEWER):
        assert fresh_site.get("/metrics", headers=bearer(token)).status_code == 200


def test_metrics_token_elsewhere(fresh_site: Site) -> None:
    """`METRICS_TOKEN` at any other path, or to change something => 401 or 403"""
    for path in ("/", "/graphql", "/fleet", "/metricsfoo", "/metrics/", "/metrics/x", "/METRICS"):
        assert fresh_site.get(path, headers=bearer(METRICS)).status_code == 401, path
    assert fresh_site.post("/metrics", headers=bearer(METRICS)).status_code == 403


def test_metrics_without_login(site_without_login: Site) -> None:
    """`GATEWAY_AUTH=none` with `METRICS_TOKEN`: `/metrics` without it => 401"""
    assert site_without_login.get("/metrics").status_code == 401
    assert site_without_login.get("/metrics", headers=bearer("wrong")).status_code == 401
    assert site_without_login.get("/metrics", headers=bearer(METRICS)).status_code == 200
    assert site_without_login.get("/fleet").status_code == 200


def test_many_wrong_metrics_tokens() -> None:
    """More than ten wrong tokens for `/metrics` in a minute => 429, where there is no login, too"""
    with site_of(metrics_token=METRICS) as site:
        wrong = [site.get("/metrics", headers=bearer("wrong")).status_code for _ in range(11)]
        assert wrong == [401] * 10 + [429]
        assert site.get("/metrics", headers=bearer(METRICS)).status_code == 429


def test_metrics_without_a_token_of_its_own() -> None:
    """Without `METRICS_TOKEN`: `/metrics` for whoever may not enter => 401"""
    with site_of(**TOKENS) as site:
        assert site.get("/metrics").status_code == 401
        assert site.get("/metrics", headers=bearer(METRICS)).status_code == 401
        assert site.get("/metrics", headers=bearer(VIEWER)).status_code == 200
