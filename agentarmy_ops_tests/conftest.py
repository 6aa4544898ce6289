"""Fixtures every test may use; each group has its own module of fixtures."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = [
    # First: it takes the settings out of the environment.
    "agentarmy_ops_tests.fix_given",
    "agentarmy_ops_tests.fix_postgres",
    "agentarmy_ops_tests.fix_redis",
    "agentarmy_ops_tests.fix_tenants",
    "agentarmy_ops_tests.fix_backups",
    "agentarmy_ops_tests.fix_dagster",
    "agentarmy_ops_tests.fix_secrets",
    "agentarmy_ops_tests.fix_gcs",
    "agentarmy_ops_tests.fix_sentry",
    "agentarmy_ops_tests.fix_cloud_run",
]


# Programs of our own environment are found though nobody has activated it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser first: its tests wait for Dagster's daemon, and others work meanwhile."""
    items.sort(key=lambda item: not item.nodeid.startswith("agentarmy_ops_tests/ui/"))


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """A shell starts what runs in the background with SIGINT ignored, and our children inherit
    that: tests that interrupt would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def undone_logging() -> Iterator[None]:
    """What ``configure_logging`` does to this process is undone after the test."""
    root, own = logging.getLogger(), logging.getLogger("agentarmy_ops")
    handlers, level = root.handlers[:], own.level
    yield
    root.handlers[:] = handlers
    own.setLevel(level)
