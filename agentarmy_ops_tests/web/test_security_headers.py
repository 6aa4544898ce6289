from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from agentarmy_ops.web.security_headers import NoFramesMiddleware, SecurityHeadersMiddleware
from agentarmy_ops_tests.web.site import served

OWN = {"Content-Security-Policy": "script-src 'nonce-1';", "Referrer-Policy": "no-referrer"}


@pytest.fixture
def app(tmp_path: Path) -> ASGIApp:
    """Pages of our own, and below ``/theirs`` of somebody else's."""
    file = tmp_path / "run.err"
    file.write_text("Traceback")

    async def text(_request: Request) -> Response:
        return PlainTextResponse("text")

    async def opinion(_request: Request) -> Response:
        return PlainTextResponse("text", headers={**OWN, "Cache-Control": "max-age=60"})

    async def asset(_request: Request) -> Response:
        return FileResponse(file)

    async def download(_request: Request) -> Response:
        return FileResponse(file, filename="run.err")

    routes = [
        Route("/text", text),
        Route("/opinion", opinion),
        Route("/asset", asset),
        Route("/download", download),
    ]
    theirs = NoFramesMiddleware(Starlette(routes=routes))
    return Starlette(routes=[Mount("/theirs", theirs), *routes])


@pytest.fixture
def headers(app: ASGIApp) -> dict[str, httpx.Headers]:
    """Of the answer for each path."""
    pages = ("/text", "/opinion", "/asset", "/download", "/nowhere")
    with served(SecurityHeadersMiddleware(app, https=False)) as site:
        return {path: site.get(path).headers for page in pages for path in (page, f"/theirs{page}")}


def test_every_answer_forbids_frames_sniffing_and_other_sites(
    headers: dict[str, httpx.Headers],
) -> None:
    assert len(headers) == 10
    for answer in headers.values():
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in answer["Permissions-Policy"]
        assert "Strict-Transport-Security" not in answer


def test_our_pages_run_no_script(headers: dict[str, httpx.Headers]) -> None:
    assert headers["/text"]["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["/nowhere"]["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert headers["/text"]["Referrer-Policy"] == "same-origin"


def test_their_pages_keep_their_policy_and_may_not_be_framed(
    headers: dict[str, httpx.Headers],
) -> None:
    policy = "Content-Security-Policy"
    assert headers["/theirs/opinion"][policy] == "script-src 'nonce-1'; frame-ancestors 'none'"
    assert headers["/theirs/text"][policy] == "frame-ancestors 'none'"


def test_what_a_page_says_of_itself_stays(headers: dict[str, httpx.Headers]) -> None:
    assert headers["/opinion"]["Content-Security-Policy"] == OWN["Content-Security-Policy"]
    assert headers["/opinion"]["Referrer-Policy"] == "no-referrer"
    assert headers["/opinion"]["Cache-Control"] == "max-age=60"


def test_caches_keep_files_and_no_data(headers: dict[str, httpx.Headers]) -> None:
    assert headers["/text"]["Cache-Control"] == "no-store"
    assert headers["/download"]["Cache-Control"] == "no-store"
    assert "ETag" in headers["/asset"]
    assert "Cache-Control" not in headers["/asset"]


def test_https_is_remembered_by_browsers(app: ASGIApp) -> None:
    with served(SecurityHeadersMiddleware(app, https=True)) as site:
        assert site.get("/text").headers["Strict-Transport-Security"] == "max-age=31536000"
