"""Real PostgreSQL servers: one live and one scratch server per major and session."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.embedded import (
    LIVE_CONFIGURATION,
    SCRATCH_CONFIGURATION,
    start_embedded,
    stop_embedded,
)

# Nothing in a test's server has to survive a crash.
TEST_CONFIGURATION = {**LIVE_CONFIGURATION, "fsync": "off", "synchronous_commit": "off"}


@pytest.fixture(scope="session")
def live_servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], ConnInfo]]:
    """Superuser connections to the live server of a major: ``live_servers(16)``."""
    home = tmp_path_factory.mktemp("live")
    yield lambda major: start_embedded(
        home / f"postgres-{major}", major=major, configuration=TEST_CONFIGURATION
    )
    for data_dir in home.glob("postgres-*"):
        stop_embedded(data_dir)


@pytest.fixture(scope="session")
def scratch_servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], ConnInfo]]:
    """Superuser connections to the scratch server of a major."""
    home = tmp_path_factory.mktemp("scratch")
    yield lambda major: start_embedded(
        home / f"scratch-{major}", major=major, configuration=SCRATCH_CONFIGURATION
    )
    for data_dir in home.glob("scratch-*"):
        stop_embedded(data_dir)


@pytest.fixture
def live_server(live_servers: Callable[[int], ConnInfo]) -> ConnInfo:
    """The superuser's connection to the live PostgreSQL 16."""
    return live_servers(16)


@pytest.fixture
def new_database() -> Iterator[Callable[[ConnInfo], ConnInfo]]:
    """Make an empty database on a server; it is dropped after the test."""
    made: list[tuple[ConnInfo, str]] = []

    def make(server: ConnInfo) -> ConnInfo:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with server.connect(autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        made.append((server, name))
        return server.with_params(dbname=name)

    yield make
    for server, name in made:
        with server.connect(autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


@pytest.fixture
def repository_root() -> Path:
    """The folder that holds ``pyproject.toml``."""
    return Path(__file__).parent.parent
