"""Sites to try to get into."""

from collections.abc import Iterator

import pytest

from agentarmy_ops_tests.web.site import METRICS, TOKENS, Site, site_of


@pytest.fixture(scope="module")
def token_site() -> Iterator[Site]:
    """``GATEWAY_AUTH=token``, with a token for Prometheus. One wrong token per test at most, or
    those of others are refused with it."""
    with site_of(**TOKENS, metrics_token=METRICS) as site:
        yield site


@pytest.fixture
def fresh_site() -> Iterator[Site]:
    """The same, for a test that is wrong more often."""
    with site_of(**TOKENS, metrics_token=METRICS) as site:
        yield site


@pytest.fixture(scope="module")
def open_site() -> Iterator[Site]:
    """``GATEWAY_AUTH=none``."""
    with site_of() as site:
        yield site
