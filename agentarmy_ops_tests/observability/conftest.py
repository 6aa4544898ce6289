"""Metrics and a log to read."""

import io

import pytest
from prometheus_client import CollectorRegistry

from agentarmy_ops_tests.observability.samples import Samples


@pytest.fixture
def stream(undone_logging: None) -> io.StringIO:
    """For ``configure_logging``, which is undone after the test."""
    return io.StringIO()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def samples(registry: CollectorRegistry) -> Samples:
    return Samples(registry)
