"""Headers that tell browsers what the gateway's pages may do, and caches to keep none of them."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Our own pages load style sheets and pictures from here and send forms here; nothing else.
_NO_FRAMES = "frame-ancestors 'none'"
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    f"base-uri 'none'; {_NO_FRAMES}"
)
_ONE_YEAR = 31_536_000  # seconds
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers that know no frame-ancestors
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeadersMiddleware:
    """What a page says of itself stays. ``https``: browsers are told to come by https only.

    Nothing is kept by caches but files, which have an ETag and hold no data; a download does.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self._always = dict(_ALWAYS)
        if https:
            self._always["strict-transport-security"] = f"max-age={_ONE_YEAR}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self.app(scope, receive, _with_headers(self._secure, send))

    def _secure(self, headers: MutableHeaders) -> None:
        for name, value in self._always.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", _CONTENT_SECURITY_POLICY)
        if "etag" not in headers or "content-disposition" in headers:
            headers.setdefault("cache-control", "no-store")


class NoFramesMiddleware:
    """For Dagster's UI, whose pages have scripts and a policy of their own, with a nonce: they keep
    it, and may not be framed either."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self.app(scope, receive, _with_headers(_forbid_frames, send))


def _forbid_frames(headers: MutableHeaders) -> None:
    policy = headers.get("content-security-policy", "").rstrip("; ")
    headers["content-security-policy"] = "; ".join(filter(None, (policy, _NO_FRAMES)))


def _with_headers(change: Callable[[MutableHeaders], None], send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            change(MutableHeaders(scope=message))
        await send(message)

    return sender
