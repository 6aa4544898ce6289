"""The servers that are given by URL (:mod:`agentarmy_ops_tests.given`), taken once, before there
are several processes."""

import os
from typing import Any

import pytest

from agentarmy_ops_tests.given import Given, UnfitServerError, prepare, take_settings

# When this is imported, before any module that reads settings is.
_VARIABLES = take_settings(os.environ)
_GIVEN = pytest.StashKey[Given]()


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    try:
        found = Given.unpack(worker["given"]) if worker else prepare(_VARIABLES)
        name = worker["workerid"] if worker else "alone"
        config.stash[_GIVEN] = found.for_worker(name) if _runs_tests(config) else found
    except UnfitServerError as error:
        raise pytest.UsageError(str(error)) from None


def _runs_tests(config: pytest.Config) -> bool:
    """Not one that has them run by others."""
    return not config.getoption("numprocesses", None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist starts a process."""
    node.workerinput["given"] = node.config.stash[_GIVEN].pack()


@pytest.fixture(scope="session")
def given(request: pytest.FixtureRequest) -> Given:
    """Which servers the tests were given."""
    return request.config.stash[_GIVEN]
