"""How a refusal is said: to a browser, to a program, to a websocket."""

from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from agentarmy_ops.web.auth.identity import Reason, Refusal
from agentarmy_ops.web.auth.paths import LOGIN

POLICY_VIOLATION = 1008
"""Code that a websocket is closed with (RFC 6455, 7.4.1)."""
_ANEW = frozenset({Reason.MISSING, Reason.BAD_SESSION, Reason.ENDED_SESSION})


async def refuse(
    scope: Scope, receive: Receive, send: Send, refusal: Refusal, *, login: bool
) -> None:
    """Answer a request with why not. ``login``: there is a page to log in at, and a person who
    asked for a page is sent there."""
    if scope["type"] == "websocket":
        # Before it is accepted, so that the handshake is answered with 403.
        await receive()
        await send(
            {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.reason.value}
        )
        return
    response: Response
    if login and refusal.reason in _ANEW and _is_a_page(scope):
        response = RedirectResponse(f"{LOGIN}?next={quote(_target(scope), safe='/')}", 303)
    else:
        # The shape of GraphQL's errors, which Dagster's pages show as they are.
        response = JSONResponse({"errors": [{"message": refusal.message}]}, refusal.status)
    if response.status_code == 401:  # noqa: PLR2004
        response.headers["WWW-Authenticate"] = 'Bearer realm="agentarmy-ops"'
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    response.headers["Cache-Control"] = "no-store"
    await response(scope, receive, send)


def _is_a_page(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and "text/html" in Headers(scope=scope).get(
        "accept", ""
    )


def _target(scope: Scope) -> str:
    """As it was asked for: decoded once, ``%2F`` and ``%3F`` would be another page."""
    target: bytes = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    return target.decode("latin-1")
