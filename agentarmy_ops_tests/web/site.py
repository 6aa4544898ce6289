"""A site behind the gateway's door, served by uvicorn as the gateway is."""

import asyncio
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.sync.client import ClientConnection, connect

from agentarmy_ops.observability.context import current_user_id
from agentarmy_ops.settings import Settings
from agentarmy_ops.web.auth.access import Access, create_access
from agentarmy_ops.web.auth.identity import ROLE, SESSION, USER
from agentarmy_ops.web.pages import static_files
from agentarmy_ops.web.server import listen, server_config

OPERATOR = "operator-token-of-32-characters-x"
VIEWER = "viewer-token-of-32-characters-xxx"
METRICS = "metrics-token-of-16"
# Else each request would read all the certificates of this machine: a hundred times as long.
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PAGE = {"Accept": "text/html"}


def settings_of(**values: Any) -> Settings:
    """Settings of these values and no variable."""
    return Settings(_env_file=None, **values)


TOKENS: dict[str, Any] = {
    "gateway_auth": "token",
    "gateway_operator_token": OPERATOR,
    "gateway_viewer_token": VIEWER,
}


def bearer(token: str) -> dict[str, str]:
    """The header that gives a token."""
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Answer:
    """What came back to bytes that no well-behaved client sends."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Site:
    """Where it is, and what one can send there."""

    port: int

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request of its own, without cookies of others; redirects are not followed."""
        return httpx.request(
            method, self.url + path, timeout=60, trust_env=False, verify=_TLS, **arguments
        )

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        """A GET."""
        return self.send("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        """A POST."""
        return self.send("POST", path, **arguments)

    def raw(
        self,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        *,
        host: str | None = None,
        method: str = "GET",
    ) -> Answer:
        """A request whose target and headers go out as they are, the same header twice, too."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        # It would refuse to send some of what is tried here.
        connection._validate_path = lambda _url: None  # type: ignore[attr-defined]
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", f"127.0.0.1:{self.port}" if host is None else host)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def log_in(self, token: str = OPERATOR, **arguments: Any) -> httpx.Response:
        """The answer of the login form."""
        return self.post("/login", data={"token": token, **arguments})

    def cookie(self, token: str = OPERATOR) -> dict[str, str]:
        """The header of a browser that has logged in."""
        name, value = next(iter(self.log_in(token).cookies.items()))
        return {"Cookie": f"{name}={value}"}

    @property
    def own_page(self) -> dict[str, str]:
        """The header of a page of this site."""
        return {"Origin": self.url}

    def websocket(self, path: str = "/graphql", **headers: str) -> ClientConnection:
        """An open websocket.

        Raises:
            websockets.exceptions.InvalidStatus: it was refused.
        """
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers=headers,
            subprotocols=["graphql-ws"],  # type: ignore[list-item]
            proxy=None,
            open_timeout=60,
        )


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(server_config(app))
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextmanager
def served(app: ASGIApp) -> Iterator[Site]:
    """``app`` at a port of its own."""
    # As the gateway does it: of a socket made otherwise asyncio sends small answers 40 ms late.
    listener = listen("127.0.0.1", 0)
    server = _Server(app)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve([listener])), name="site", daemon=True
    )
    thread.start()
    assert server.is_up.wait(60)
    try:
        yield Site(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


def behind(access: Access) -> ASGIApp:
    """An application behind the door, which says whom it sees."""

    async def who(request: Request) -> Response:
        await request.body()
        seen = {name: request.scope.get(name) for name in (ROLE, USER, SESSION)}
        assert current_user_id() == seen[USER]  # as logs and Sentry see it
        return JSONResponse({"path": request.url.path, **seen})

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept("graphql-ws")
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    everything = Route("/{path:path}", who, methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"])
    sockets = WebSocketRoute("/{path:path}", echo)
    return access.protect(Starlette(routes=[*access.routes, static_files(), everything, sockets]))


@contextmanager
def site_of(**values: Any) -> Iterator[Site]:
    """A site with these settings."""
    with served(behind(create_access(settings_of(**values)))) as site:
        yield site
