"""A log to read."""

import io
import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """For ``configure_logging``, which is undone after the test."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    level = logging.getLogger("agentarmy_ops").level
    yield io.StringIO()
    root.handlers[:] = handlers
    logging.getLogger("agentarmy_ops").setLevel(level)
