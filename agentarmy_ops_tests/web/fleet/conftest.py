"""The fleet's pages, over HTTP."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from agentarmy_ops.observability.fleet.model import Fleet
from agentarmy_ops_tests.web.fleet.reading import Reading
from agentarmy_ops_tests.web.site import served


class _Stage:
    """An application that is another one in each test, for a server takes longer to start."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def _stage() -> Iterator[tuple[_Stage, httpx.Client]]:
    stage = _Stage()
    with (
        served(stage) as site,
        httpx.Client(base_url=site.url, trust_env=False, timeout=60) as client,
    ):
        yield stage, client


@pytest.fixture
def reading() -> Reading:
    """A gateway that has not read anything yet."""
    return Reading()


@pytest.fixture
def client(_stage: tuple[_Stage, httpx.Client], reading: Reading) -> httpx.Client:
    """Who asks for its pages."""
    stage, client = _stage
    stage.app = reading.pages()
    return client


Show = Callable[[Fleet], httpx.Client]


@pytest.fixture
def show(reading: Reading, client: httpx.Client) -> Show:
    """Have this fleet read."""

    def show(fleet: Fleet) -> httpx.Client:
        reading.read(fleet)
        return client

    return show
