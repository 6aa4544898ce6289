"""Metrics and a log to read."""

import io
import logging
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from agentarmy_ops_tests.observability.samples import Samples


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """For ``configure_logging``, which is undone after the test."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    level = logging.getLogger("agentarmy_ops").level
    yield io.StringIO()
    root.handlers[:] = handlers
    logging.getLogger("agentarmy_ops").setLevel(level)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def samples(registry: CollectorRegistry) -> Samples:
    return Samples(registry)
