"""Real PostgreSQL servers: one live and one scratch server per major and session.

Those that are given by URL stand in for the embedded ones of their major. A test that restarts a
server, configures it, or looks into its files starts an embedded one of its own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import (
    LIVE_CONFIGURATION,
    SCRATCH_CONFIGURATION,
    start_embedded,
    stop_embedded,
)
from agentarmy_ops.postgres.tools import ClientTools, find_tools
from agentarmy_ops_tests.databases import create_database, drop_all, drop_database
from agentarmy_ops_tests.given import Given

# Nothing in a test's server has to survive a crash.
TEST_CONFIGURATION = {**LIVE_CONFIGURATION, "fsync": "off", "synchronous_commit": "off"}

Servers = Callable[[int], ConnInfo]


@pytest.fixture(scope="session")
def embedded_live_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The embedded live server of a major, for what a given one may lack."""
    home = tmp_path_factory.mktemp("live")
    yield lambda major: start_embedded(
        home / f"postgres-{major}", major=major, configuration=TEST_CONFIGURATION
    )
    for data_dir in home.glob("postgres-*"):
        stop_embedded(data_dir)


@pytest.fixture(scope="session")
def embedded_scratch_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The embedded scratch server of a major, for what a given one may lack."""
    home = tmp_path_factory.mktemp("scratch")
    yield lambda major: start_embedded(
        home / f"scratch-{major}", major=major, configuration=SCRATCH_CONFIGURATION
    )
    for data_dir in home.glob("scratch-*"):
        stop_embedded(data_dir)


@pytest.fixture(scope="session")
def live_servers(given: Given, embedded_live_servers: Servers) -> Iterator[Servers]:
    """Superuser connections to the live server of a major: ``live_servers(18)``."""
    yield _first(given, given.live, embedded_live_servers)
    if given.live:
        drop_all(given.live)


@pytest.fixture(scope="session")
def scratch_servers(given: Given, embedded_scratch_servers: Servers) -> Iterator[Servers]:
    """Superuser connections to the scratch server of a major."""
    yield _first(given, given.scratch, embedded_scratch_servers)
    if given.scratch:
        drop_all(given.scratch)


def _first(given: Given, server: ConnInfo | None, embedded: Servers) -> Servers:
    return lambda major: server if server and major == given.major else embedded(major)


@pytest.fixture(scope="session")
def postgres_major(given: Given) -> int:
    """The major under test: of the given servers, else ``EMBEDDED_POSTGRES_VERSION``, else 16."""
    return given.major


@pytest.fixture(scope="session")
def live_server(live_servers: Servers, postgres_major: int) -> ConnInfo:
    """The superuser's connection to the live server of the major under test."""
    return live_servers(postgres_major)


@pytest.fixture(scope="session")
def scratch_server(scratch_servers: Servers, postgres_major: int) -> ConnInfo:
    """The superuser's connection to the scratch server of the major under test."""
    return scratch_servers(postgres_major)


@pytest.fixture(scope="session")
def other_scratch_server(embedded_scratch_servers: Servers, postgres_major: int) -> ConnInfo:
    """A scratch server of another major."""
    return embedded_scratch_servers(16 if postgres_major == 18 else 18)


@pytest.fixture(scope="session")
def client_tools(postgres_major: int) -> ClientTools:
    """The client programs of the major under test."""
    return find_tools(postgres_major)


@pytest.fixture
def new_database() -> Iterator[Callable[[ConnInfo], ConnInfo]]:
    """Make an empty database on a server; it is dropped after the test."""
    made: list[ConnInfo] = []

    def make(server: ConnInfo) -> ConnInfo:
        made.append(create_database(server))
        return made[-1]

    yield make
    for database in made:
        drop_database(database)


@pytest.fixture
def repository_root() -> Path:
    """The folder that holds ``pyproject.toml``."""
    return Path(__file__).parent.parent
