"""Every request has one id, and what a client sends as one can do no harm."""

import re
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from agentarmy_ops.observability.request_id import RequestIdMiddleware, current_request_id
from agentarmy_ops_tests.serving import serving


async def show(_: Request) -> PlainTextResponse:
    return PlainTextResponse(str(current_request_id()), headers={"X-Request-ID": "the app's own"})


def show_from_a_thread(_: Request) -> PlainTextResponse:
    return PlainTextResponse(str(current_request_id()))


async def fail(_: Request) -> PlainTextResponse:
    raise ValueError("x")


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(str(current_request_id()))


@pytest.fixture
def app() -> ASGIApp:
    return RequestIdMiddleware(
        Starlette(
            routes=[
                Route("/", show),
                Route("/thread", show_from_a_thread),
                Route("/fails", fail),
                WebSocketRoute("/ws", greet),
            ]
        )
    )


WELL_FORMED = ["8ac84cd7", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "web-1.example:42_7", "a" * 128]
# fmt: off
OTHERS = ["", "shorter", "a" * 129, "-abcdefgh", "abcd efgh", 'abcd"efgh', "abcd\tefgh",
          "<b>abcdef", "abcdefgh;ijkl", "%0aabcdefgh", "äbcdefghij", "abcdefgh, abcdefgh"]
# fmt: on


def test_a_well_formed_one_is_kept_and_any_other_is_replaced(app: ASGIApp) -> None:
    with serving(app) as address:
        for sent in WELL_FORMED + OTHERS:
            headers = {b"X-Request-ID": sent.encode("latin-1")}
            response = httpx.get(f"http://{address}/", headers=headers)
            if sent in WELL_FORMED:
                assert response.text == sent
            else:
                assert re.fullmatch("[0-9a-f]{32}", response.text), sent
            assert response.headers.get_list("X-Request-ID") == [response.text]


def test_two_of_them_are_none(app: ASGIApp) -> None:
    sent = [("X-Request-ID", "aaaaaaaa"), ("X-Request-ID", "bbbbbbbb")]
    with serving(app) as address:
        assert len(httpx.get(f"http://{address}/", headers=sent).text) == 32


def test_each_request_has_its_own_also_on_one_connection(app: ASGIApp) -> None:
    with serving(app) as address, httpx.Client(base_url=f"http://{address}") as client:
        answers = {client.get("/thread").text for _ in range(3)}
        answers |= {client.get("/fails").headers["X-Request-ID"]}
    assert len(answers) == 4


def test_a_websocket_has_one(app: ASGIApp) -> None:
    sent = {"X-Request-ID": "abcdefgh"}
    with serving(app) as address, connect(f"ws://{address}/ws", additional_headers=sent) as client:
        assert client.recv() == "abcdefgh"
        assert client.response is not None
        assert client.response.headers.get_all("X-Request-ID") == ["abcdefgh"]


def test_outside_of_a_request_there_is_none(app: ASGIApp) -> None:
    assert current_request_id() is None


def test_a_line_break_never_arrives(app: ASGIApp) -> None:
    with serving(app) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"X-Request-ID: abcdefgh\n injected\r\n\r\n"
            )
            answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert b"injected" not in answer
