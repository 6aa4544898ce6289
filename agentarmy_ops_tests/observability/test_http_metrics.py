"""Every request is counted once, under labels that no client can multiply."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from agentarmy_ops.observability.context import TenantContext, tenant_context
from agentarmy_ops.observability.http_metrics import MetricsMiddleware
from agentarmy_ops_tests.observability.samples import Samples
from agentarmy_ops_tests.serving import serving

COUNT = "http_requests_total"


def requests(samples: Samples) -> list[tuple[str, str, str]]:
    """Method, endpoint and status of what was counted, each once."""
    return sorted(
        (labels["method"], labels["endpoint"], labels["status_code"])
        for labels in samples.all(COUNT)
    )


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.receive()


class Passing:
    """A pure ASGI middleware, as they all are: what is inside of it is its ``app``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Doorkeeper(Passing):
    """Answers without asking what is inside of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("who are you?", 401)(scope, receive, send)


def starlette_routes(folder: Path) -> list[Route | Mount | Host | WebSocketRoute]:
    (folder / "a.txt").write_text("a")
    return [
        Host("api.example", Router([Route("/of-the-host/{name}", hello)])),
        Route("/agents/{agent_id:int}", hello, methods=["GET"]),
        Mount("/static", StaticFiles(directory=folder)),
        Mount(
            "/t/{slug}",
            routes=[Route("/agents/{agent_id}", hello), Mount("/deep", routes=[Route("/", hello)])],
        ),
        Mount("/app", Passing(Starlette(routes=[Route("/{name}", hello)]))),
        Mount("/bare", hello_app),
        WebSocketRoute("/ws/{room}", greet),
        Mount("/ui", routes=[Route("/graphql", hello), Route("/{path:path}", hello)]),
    ]


async def hello_app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


def fastapi_app() -> FastAPI:
    inner, outer, sub, app = APIRouter(), APIRouter(prefix="/v1"), FastAPI(), FastAPI()

    @app.get("/agents/{agent_id}")
    @inner.get("/messages/{message_id}")
    @sub.get("/reports/{name}")
    async def answer() -> str:
        return "hello"

    @inner.websocket("/ws/{room}")
    async def room(websocket: WebSocket) -> None:
        await greet(websocket)

    outer.include_router(inner, prefix="/chats/{chat_id}")
    app.include_router(outer, prefix="/api")
    sub.include_router(inner, prefix="/again")
    app.mount("/sub/{tenant}", sub)
    return app


Wrap = Callable[[Starlette, CollectorRegistry], ASGIApp]


def around(app: Starlette, registry: CollectorRegistry) -> ASGIApp:
    return MetricsMiddleware(Passing(app), registry=registry)


def inside(app: Starlette, registry: CollectorRegistry) -> ASGIApp:
    app.add_middleware(MetricsMiddleware, registry=registry)
    return app


BOTH = pytest.mark.parametrize("wrap", [around, inside])


@BOTH
def test_the_endpoint_is_the_template_of_the_route(
    wrap: Wrap, registry: CollectorRegistry, samples: Samples, tmp_path: Path
) -> None:
    expected = {
        "/agents/7": ("/agents/{agent_id}", 200),
        "/agents/x": ("unmatched", 404),
        "/static/a.txt": ("/static/{path}", 200),
        "/static/b.txt": ("/static/{path}", 404),
        "/t/acme/agents/7": ("/t/{slug}/agents/{agent_id}", 200),
        "/t/acme/deep/": ("/t/{slug}/deep/", 200),
        "/t/acme/nothing": ("unmatched", 404),
        "/app/x": ("/app/{name}", 200),
        "/app/x/y": ("unmatched", 404),
        "/bare/x/y": ("/bare/{path}", 200),
        "/ui/graphql": ("/ui/graphql", 200),
        "/ui/runs/1b2c/?a=b": ("/ui/{path}", 200),
        "/ui/assets/x%2Fy": ("/ui/{path}", 200),
        "/../../etc/passwd": ("unmatched", 404),
        "/": ("unmatched", 404),
    }
    with serving(wrap(Starlette(routes=starlette_routes(tmp_path)), registry)) as address:
        for path, (_, status) in expected.items():
            assert httpx.get(f"http://{address}{path}").status_code == status, path
        headers = {"Host": "api.example"}
        assert httpx.get(f"http://{address}/of-the-host/x", headers=headers).status_code == 200
        assert httpx.post(f"http://{address}/agents/7").status_code == 405
    counted = requests(samples)
    for path, (endpoint, status) in expected.items():
        assert ("GET", endpoint, str(status)) in counted, path
    assert ("GET", "/of-the-host/{name}", "200") in counted
    assert ("POST", "/agents/{agent_id}", "405") in counted
    assert {endpoint for _, endpoint, _ in counted} == (
        {endpoint for endpoint, _ in expected.values()} | {"/of-the-host/{name}"}
    )


@BOTH
def test_fastapis_routers_and_applications_in_it(
    wrap: Wrap, registry: CollectorRegistry, samples: Samples
) -> None:
    expected = {
        "/agents/7": "/agents/{agent_id}",
        "/api/v1/chats/3/messages/4": "/api/v1/chats/{chat_id}/messages/{message_id}",
        "/sub/acme/reports/x": "/sub/{tenant}/reports/{name}",
        "/sub/acme/again/messages/4": "/sub/{tenant}/again/messages/{message_id}",
        "/sub/acme/nothing": "unmatched",
        "/api/v1/chats/3": "unmatched",
        "/docs": "/docs",
    }
    with serving(wrap(fastapi_app(), registry)) as address:
        for path in expected:
            httpx.get(f"http://{address}{path}")
        with connect(f"ws://{address}/api/v1/chats/3/ws/kitchen") as websocket:
            assert websocket.recv() == "hello"
    assert {endpoint for _, endpoint, _ in requests(samples)} == {
        *expected.values(),
        "/api/v1/chats/{chat_id}/ws/{room}",
    }
    for path, endpoint in expected.items():
        assert ("GET", endpoint) in {each[:2] for each in requests(samples)}, path


def test_behind_a_proxy_that_adds_a_prefix(registry: CollectorRegistry, samples: Samples) -> None:
    app = Starlette(routes=[Mount("/t/{slug}", routes=[Route("/agents", hello)])])
    with serving(around(app, registry), root_path="/ops") as address:
        assert httpx.get(f"http://{address}/t/acme/agents").status_code == 200
    assert requests(samples) == [("GET", "/t/{slug}/agents", "200")]


def test_a_middleware_of_a_route_alone(registry: CollectorRegistry, samples: Samples) -> None:
    measured = [Middleware(MetricsMiddleware, registry=registry)]
    app = Starlette(
        routes=[
            Mount("/t/{slug}", routes=[Route("/agents/{n}", hello)], middleware=measured),
            Route("/else", hello),
        ]
    )
    with serving(app) as address:
        httpx.get(f"http://{address}/t/acme/agents/7")
        httpx.get(f"http://{address}/else")
    assert requests(samples) == [("GET", "/t/{slug}/agents/{n}", "200")]


def test_an_answer_before_routing_counts_for_the_route(
    registry: CollectorRegistry, samples: Samples
) -> None:
    app = MetricsMiddleware(
        Doorkeeper(Passing(Starlette(routes=[Route("/agents/{n}", hello)]))), registry=registry
    )
    with serving(app) as address:
        httpx.get(f"http://{address}/agents/7")
        httpx.get(f"http://{address}/nothing")
    assert requests(samples) == [("GET", "/agents/{n}", "401"), ("GET", "unmatched", "401")]


def test_an_application_without_routes(registry: CollectorRegistry, samples: Samples) -> None:
    with serving(MetricsMiddleware(hello_app, registry=registry), lifespan="off") as address:
        httpx.get(f"http://{address}/a")
        httpx.get(f"http://{address}/b")
    assert requests(samples) == [("GET", "unmatched", "200")]


def test_methods_that_nobody_has_heard_of(registry: CollectorRegistry, samples: Samples) -> None:
    app = Starlette(routes=[Route("/agents", hello, methods=["GET"])])
    # uvicorn's other parser refuses them itself.
    with serving(around(app, registry), http="h11") as address:
        for method in ("BREW", "get", "WEBSOCKET"):
            assert httpx.request(method, f"http://{address}/agents").status_code in (200, 405)
        httpx.head(f"http://{address}/agents")
    assert {method for method, _, _ in requests(samples)} == {"other", "GET", "HEAD"}


def test_each_request_is_counted_and_timed_once(
    registry: CollectorRegistry, samples: Samples
) -> None:
    app = Starlette(routes=[Route("/agents/{n}", hello)])
    within = MetricsMiddleware(app, registry=registry)
    with serving(MetricsMiddleware(Passing(within), registry=registry)) as address:
        for number in range(3):
            httpx.get(f"http://{address}/agents/{number}")
    labels = {"method": "GET", "endpoint": "/agents/{n}", "tenant_id": "unknown"}
    assert samples.value(COUNT, status_code="200", **labels) == 3
    assert samples.value("http_request_duration_seconds_count", **labels) == 3
    assert 0 < samples.value("http_request_duration_seconds_sum", **labels) < 10


async def fail(_: Request) -> PlainTextResponse:
    raise ValueError("x")


async def half() -> AsyncIterator[str]:
    yield "half an "
    raise ValueError("x")


async def fail_half_way(_: Request) -> StreamingResponse:
    return StreamingResponse(half())


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Returns without an answer."""


@BOTH
def test_exceptions_count_as_500(wrap: Wrap, registry: CollectorRegistry, samples: Samples) -> None:
    app = Starlette(
        routes=[
            Route("/fails", fail),
            Route("/fails-half-way", fail_half_way),
            Mount("/silent", silent),
        ]
    )
    with serving(wrap(app, registry)) as address:
        assert httpx.get(f"http://{address}/fails").status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://{address}/fails-half-way")
        assert httpx.get(f"http://{address}/silent/").status_code == 500
    assert requests(samples) == [
        ("GET", "/fails", "500"),
        ("GET", "/fails-half-way", "500"),
        ("GET", "/silent/{path}", "500"),
    ]


class Ended(Passing):
    """Says when a request is over."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self.event = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                self.event.set()


@pytest.fixture
def forever() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def raw(address: str, request: str) -> socket.socket:
    host, port = address.split(":")
    client = socket.create_connection((host, int(port)))
    client.sendall(request.encode())
    return client


def test_a_client_that_leaves_while_it_is_answered(
    registry: CollectorRegistry, samples: Samples
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)  # or nothing else would run once nobody reads

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(endless())

    app = Ended(around(Starlette(routes=[Route("/stream", stream)]), registry))
    with serving(app) as address:
        client = raw(address, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(10)
        client.close()
        assert app.event.wait(10)
    assert requests(samples) == [("GET", "/stream", "499")]


def test_a_client_that_leaves_while_it_asks(registry: CollectorRegistry, samples: Samples) -> None:
    async def upload(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Ended(around(Starlette(routes=[Route("/up", upload, methods=["POST"])]), registry))
    with serving(app) as address:
        client = raw(address, "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        client.close()
        assert app.event.wait(10)
    assert requests(samples) == [("POST", "/up", "499")]


def test_a_client_that_leaves_with_its_whole_answer(
    registry: CollectorRegistry, samples: Samples
) -> None:
    async def two() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(two())

    app = Ended(around(Starlette(routes=[Route("/stream", stream)]), registry))
    with serving(app) as address:
        assert httpx.get(f"http://{address}/stream").text == "ab"
        assert app.event.wait(10)
    assert requests(samples) == [("GET", "/stream", "200")]


def test_what_is_done_after_the_answer_does_not_count(
    registry: CollectorRegistry, samples: Samples, forever: threading.Event
) -> None:
    def clean_up() -> None:
        forever.wait()
        raise ValueError("x")

    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("done", background=BackgroundTask(clean_up))

    app = Ended(around(Starlette(routes=[Route("/job", answer)]), registry))
    with serving(app) as address:
        assert httpx.get(f"http://{address}/job").text == "done"
        assert requests(samples) == [("GET", "/job", "200")]
        assert not app.event.is_set()
        forever.set()
        assert app.event.wait(10)
    assert requests(samples) == [("GET", "/job", "200")]


def test_a_websocket_counts_by_its_handshake(registry: CollectorRegistry, samples: Samples) -> None:
    async def refuse(websocket: WebSocket) -> None:
        await websocket.close()

    async def deny(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("no", 418))

    async def broken(websocket: WebSocket) -> None:
        raise ValueError("x")

    app = Starlette(
        routes=[
            WebSocketRoute("/ws/{room}", greet),
            WebSocketRoute("/refused", refuse),
            WebSocketRoute("/denied", deny),
            WebSocketRoute("/broken", broken),
        ]
    )
    with serving(around(app, registry)) as address:
        with connect(f"ws://{address}/ws/kitchen") as websocket:
            assert websocket.recv() == "hello"
            assert requests(samples) == [("WEBSOCKET", "/ws/{room}", "101")]
        for path in ("refused", "denied", "broken", "nothing"):
            with pytest.raises(InvalidStatus):
                connect(f"ws://{address}/{path}")
    assert requests(samples) == [
        ("WEBSOCKET", "/broken", "500"),
        ("WEBSOCKET", "/denied", "418"),
        ("WEBSOCKET", "/refused", "403"),
        ("WEBSOCKET", "/ws/{room}", "101"),
        ("WEBSOCKET", "unmatched", "403"),
    ]


def test_the_tenant_is_the_one_that_was_found(
    registry: CollectorRegistry, samples: Samples
) -> None:
    inner, outer = TenantContext(uuid4(), "inner"), TenantContext(uuid4(), "outer")

    class Found(Passing):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("path") == "/inner":
                scope["agentarmy.tenant"] = inner
            await self.app(scope, receive, send)

    class Around(Passing):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            with tenant_context(outer):
                await self.app(scope, receive, send)

    app = Starlette(routes=[Route("/{name}", hello)])
    with serving(Around(MetricsMiddleware(Found(app), registry=registry))) as address:
        httpx.get(f"http://{address}/inner", headers={"X-Tenant-ID": "made-up"})
        httpx.get(f"http://{address}/outer")
    assert {labels["tenant_id"] for labels in samples.all(COUNT)} == {
        str(inner.tenant_id),
        str(outer.tenant_id),
    }
