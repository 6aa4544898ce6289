"""One id for a request, in every line of the log, and in the answer."""

import re
from contextvars import ContextVar
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
REQUEST_ID_KEY = "agentarmy.request_id"

# What load balancers and clients send: UUIDs, ULIDs, hexadecimal numbers, host:process:counter.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,127}")
_ANSWERS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}

_request_id: ContextVar[str | None] = ContextVar("agentarmy_ops_request_id", default=None)


def current_request_id() -> str | None:
    """The id of the request at hand, or None outside of any."""
    return _request_id.get()


class RequestIdMiddleware:
    """Take the ``X-Request-ID`` of the request where it is well-formed, else make one; send it back
    with the answer. Pure ASGI.

    Well-formed are 8 to 128 letters, digits and ``. _ : -``, beginning with a letter or a digit,
    sent once: what goes into logs must not write lines of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with an id."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = _incoming(scope) or uuid4().hex
        scope[REQUEST_ID_KEY] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] in _ANSWERS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = _request_id.set(request_id)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            _request_id.reset(token)


def _incoming(scope: Scope) -> str | None:
    values = Headers(scope=scope).getlist(HEADER)
    if len(values) == 1 and _WELL_FORMED.fullmatch(values[0]):
        return values[0]
    return None
