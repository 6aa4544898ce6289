"""One line of the log for each request, without secrets, that nobody can forge."""

import io
import json
import logging
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from agentarmy_ops.observability.access_log import AccessLogMiddleware
from agentarmy_ops.observability.context import TenantContext, tenant_context, user_context
from agentarmy_ops.observability.logs import configure_logging
from agentarmy_ops.observability.request_id import RequestIdMiddleware
from agentarmy_ops.settings import Environment
from agentarmy_ops_tests.serving import serving

ACME = TenantContext(uuid4(), "acme")


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def fail(_: Request) -> PlainTextResponse:
    raise ValueError("x")


async def unwell(_: Request) -> PlainTextResponse:
    return PlainTextResponse("no", 503)


def say(_: Request) -> PlainTextResponse:
    logging.getLogger("agentarmy_ops.example").info("a line\nof the %s", "application")
    return PlainTextResponse("")


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")


class ForAcme:
    """Works for a tenant and a user."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        with tenant_context(ACME), user_context("7"):
            await self.app(scope, receive, send)


@pytest.fixture
def app() -> ASGIApp:
    routes = [
        Route("/agents/{agent_id}", hello),
        Route("/fails", fail),
        Route("/say", say),
        Route("/health", hello),
        Route("/health/ready", unwell),
        Route("/healthy", hello),
        Route("/metrics", hello),
        WebSocketRoute("/ws", greet),
    ]
    app = Starlette(routes=[Mount("/acme", ForAcme(Starlette(routes=routes))), *routes])
    return RequestIdMiddleware(AccessLogMiddleware(app))


@pytest.fixture
def machine(stream: io.StringIO) -> io.StringIO:
    configure_logging(Environment.PRODUCTION, stream=stream)
    return stream


def lines(stream: io.StringIO, logger: str = "agentarmy_ops.access") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in found if line["logger"] == logger]


def test_a_line_says_what_was_asked_and_answered(app: ASGIApp, machine: io.StringIO) -> None:
    headers = {"X-Request-ID": "abcdefgh"}
    with serving(app) as address:
        httpx.get(f"http://{address}/acme/agents/7?token=geheim", headers=headers)
    (line,) = lines(machine)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert 0 < line.pop("duration_seconds") < 10
    assert line.pop("message").startswith("GET /acme/agents/7 200 ")
    assert line == {
        "severity": "INFO",
        "logger": "agentarmy_ops.access",
        "request_id": "abcdefgh",
        "tenant_id": str(ACME.tenant_id),
        "tenant": "acme",
        "user_id": "7",
        "method": "GET",
        "path": "/acme/agents/7",
        "route": "/acme/agents/{agent_id}",
        "status": 200,
        "response_bytes": 5,
    }
    assert "geheim" not in machine.getvalue()


def test_who_is_not_known_is_left_out(app: ASGIApp, machine: io.StringIO) -> None:
    with serving(app) as address:
        httpx.get(f"http://{address}/agents/7")
    (line,) = lines(machine)
    assert set(line).isdisjoint({"tenant", "tenant_id", "user_id"})


def test_the_user_of_the_gateway(machine: io.StringIO) -> None:
    class Enter(ForAcme):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["agentarmy.user"] = "operator"
            await self.app(scope, receive, send)

    with serving(AccessLogMiddleware(Enter(Starlette(routes=[Route("/", hello)])))) as address:
        httpx.get(f"http://{address}/")
    (line,) = lines(machine)
    assert line["user_id"] == "operator"


def test_failures_are_warnings(app: ASGIApp, machine: io.StringIO) -> None:
    with serving(app) as address:
        httpx.get(f"http://{address}/fails")
        httpx.get(f"http://{address}/nothing")
    seen = [(line["severity"], line["status"], line["route"]) for line in lines(machine)]
    assert seen == [("WARNING", 500, "/fails"), ("INFO", 404, "unmatched")]


def test_probes_are_logged_when_they_fail(app: ASGIApp, machine: io.StringIO) -> None:
    with serving(app) as address:
        for path in ("health", "metrics", "health/ready", "healthy"):
            httpx.get(f"http://{address}/{path}")
    assert [line["path"] for line in lines(machine)] == ["/health/ready", "/healthy"]


@pytest.mark.parametrize("environment", [Environment.PRODUCTION, Environment.DEVELOPMENT])
def test_no_path_writes_a_line_of_its_own(
    app: ASGIApp, stream: io.StringIO, environment: Environment
) -> None:
    configure_logging(environment, stream=stream)
    with serving(app) as address:
        for path in ("a%0a21:15:03%20INFO%20forged", "%1b[31m", "%22}", "%C3%A4", "x" * 2000):
            httpx.get(f"http://{address}/agents/{path}")
    written = stream.getvalue().splitlines()
    assert len(written) == 5
    assert all(line.isascii() and line.isprintable() and len(line) < 2500 for line in written)


def test_the_path_is_logged_as_it_was_written_whatever_the_server_says(
    app: ASGIApp, machine: io.StringIO
) -> None:
    said: list[bytes | None] = [b"/agents/x%2Fy", b"/agents/x%2Fy?token=geheim", None]

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["raw_path"] = said.pop(0)
        await app(scope, receive, send)

    with serving(server) as address:
        for _ in range(3):
            httpx.get(f"http://{address}/agents/x%2Fy?token=geheim")
    paths = [line["path"] for line in lines(machine)]
    assert paths == ["/agents/x%2Fy", "/agents/x%2Fy", "/agents/x/y"]
    assert "geheim" not in machine.getvalue()


def test_a_websocket_is_logged_when_it_is_accepted(app: ASGIApp, machine: io.StringIO) -> None:
    # uvicorn writes lines of its own, with the query string.
    with (
        serving(app, log_level="info") as address,
        connect(f"ws://{address}/ws?token=geheim") as client,
    ):
        assert client.recv() == "hello"
        (line,) = lines(machine)
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", "/ws", 101)
    assert "geheim" not in machine.getvalue()


def test_what_the_application_logs_says_for_whom(app: ASGIApp, machine: io.StringIO) -> None:
    with serving(app) as address:
        httpx.get(f"http://{address}/acme/say", headers={"X-Request-ID": "abcdefgh"})
    (line,) = lines(machine, "agentarmy_ops.example")
    assert line.pop("time")
    assert line == {
        "severity": "INFO",
        "message": "a line\nof the application",
        "logger": "agentarmy_ops.example",
        "request_id": "abcdefgh",
        "tenant_id": str(ACME.tenant_id),
        "tenant": "acme",
        "user_id": "7",
    }


def test_an_exception_stays_on_its_line(machine: io.StringIO) -> None:
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("agentarmy_ops.example").exception("it failed")
    (line,) = lines(machine, "agentarmy_ops.example")
    assert line["severity"] == "ERROR"
    assert line["exception"].startswith("Traceback")
    assert "\nValueError: invalid literal" in line["exception"]


def test_people_read_something_shorter(app: ASGIApp, stream: io.StringIO) -> None:
    configure_logging(Environment.DEVELOPMENT, stream=stream)
    with serving(app) as address:
        httpx.get(f"http://{address}/acme/agents/7", headers={"X-Request-ID": "abcdefgh"})
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d INFO agentarmy_ops\.access: "
        r"GET /acme/agents/7 200 \d+\.\d ms 5 bytes acme 7 abcdefgh\n",
        stream.getvalue(),
    )


def test_a_message_for_people_stays_on_its_line_and_the_traceback_is_below(
    stream: io.StringIO,
) -> None:
    configure_logging(Environment.DEVELOPMENT, stream=stream)
    try:
        int("x")
    except ValueError:
        logging.getLogger("agentarmy_ops.example").exception("two\nlines \x1b[31m of Zoë")
    first, second, *_, last = stream.getvalue().splitlines()
    assert first.endswith(r"ERROR agentarmy_ops.example: two\nlines \x1b[31m of Zoë")
    assert second.startswith("Traceback")
    assert last.startswith("ValueError")


def test_configured_again_it_writes_once(stream: io.StringIO) -> None:
    earlier = io.StringIO()
    configure_logging(Environment.PRODUCTION, stream=earlier)
    configure_logging(Environment.PRODUCTION, stream=stream)
    logging.getLogger("agentarmy_ops.example").info("x")
    logging.getLogger("another").info("too little to say")
    logging.getLogger("another").warning("y")
    assert earlier.getvalue() == ""
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["x", "y"]


def test_secrets_that_others_log_are_taken_out(stream: io.StringIO) -> None:
    logger = logging.getLogger("agentarmy_ops.example")
    for environment in (Environment.PRODUCTION, Environment.DEVELOPMENT):
        configure_logging(environment, stream=stream)
        logger.warning("cannot reach postgresql://app:%s@db/app", "geheim")
        try:
            raise RuntimeError("x" * 20_000 + " postgresql://app:geheim@db/app")  # noqa: TRY301
        except RuntimeError:
            logger.exception("it failed")
    assert "geheim" not in stream.getvalue()
    assert stream.getvalue().count("[Filtered]") == 4
