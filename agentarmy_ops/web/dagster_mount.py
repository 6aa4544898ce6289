"""Where Dagster's UI is in the gateway, and what is there until it is loaded."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agentarmy_ops.web.health.causes import NotWell
from agentarmy_ops.web.pages import templates
from agentarmy_ops.web.security_headers import NoFramesMiddleware
from agentarmy_ops.web.workspace import Workspace

_COME_AGAIN_SECONDS = 2
# "Try again later", as websockets say it (RFC 6455, registry of close codes).
_TRY_AGAIN_LATER = 1013


class DagsterMount:
    """Dagster's UI, or a page that comes again by itself until the UI is there."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def app(self) -> ASGIApp | None:
        """The UI, when it is loaded; its routes are looked up here, for metrics and the log."""
        opened = self._workspace.opened
        return opened.ui if opened else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        app = self.app
        if app is not None:
            await NoFramesMiddleware(app)(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER})
        else:
            await self._not_yet(Request(scope))(scope, receive, send)

    def _not_yet(self, request: Request) -> Response:
        try:
            self._workspace.get()
            why = ""  # loaded since
        except NotWell as error:
            why = str(error)
        headers = {"Retry-After": str(_COME_AGAIN_SECONDS)}
        if "text/html" in Headers(scope=request.scope).get("accept", ""):
            return templates.TemplateResponse(
                request,
                "loading.html",
                {"why": why, "seconds": _COME_AGAIN_SECONDS},
                status_code=503,
                headers=headers,
            )
        return PlainTextResponse(f"Dagster is not there yet: {why}\n", 503, headers=headers)
