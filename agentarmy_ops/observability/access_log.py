"""One line of the log for each request."""

import logging
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from agentarmy_ops.observability.context import current_user_id
from agentarmy_ops.observability.exchange import SERVER_ERROR, Exchange
from agentarmy_ops.observability.logs import FIELDS
from agentarmy_ops.observability.request_id import REQUEST_ID_KEY
from agentarmy_ops.observability.route_template import route_template
from agentarmy_ops.observability.skip import is_skipped
from agentarmy_ops.observability.tenant_label import request_tenant

USER_KEY = "agentarmy.user"
QUIET = ("/health", "/metrics")

_CLIENT_ERROR = 400
_LONGEST_PATH = 1000

_logger = logging.getLogger("agentarmy_ops.access")


class AccessLogMiddleware:
    """Log each request when its answer is complete, as logger ``agentarmy_ops.access``: pure ASGI.

    The path is logged without its query string, in which secrets hide. Answers of 500 and above
    are warnings. Requests for ``quiet`` paths (a path stands for all below it) are logged only
    when they fail: probes and scrapes come every few seconds.
    How the line looks says :func:`~agentarmy_ops.observability.logs.configure_logging`.
    """

    def __init__(self, app: ASGIApp, *, quiet: tuple[str, ...] = QUIET) -> None:
        self.app = app
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log what became of it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        await Exchange(scope, self._log).run(self.app, receive, send)

    def _log(self, exchange: Exchange) -> None:
        scope = exchange.scope
        level = logging.WARNING if exchange.status >= SERVER_ERROR else logging.INFO
        if exchange.status < _CLIENT_ERROR and is_skipped(scope, self._quiet):
            level = logging.DEBUG
        if not _logger.isEnabledFor(level):
            return
        tenant = request_tenant(scope)
        fields: dict[str, Any] = {
            "method": "WEBSOCKET" if scope["type"] == "websocket" else scope["method"],
            "path": _path(scope),
            "route": route_template(scope, self.app),
            "status": exchange.status,
            "duration_seconds": round(exchange.seconds, 6),
            "response_bytes": exchange.body_bytes,
            "request_id": scope.get(REQUEST_ID_KEY),
            "tenant_id": str(tenant.tenant_id) if tenant else None,
            "tenant": tenant.slug if tenant else None,
            "user_id": scope.get(USER_KEY) or current_user_id(),
        }
        message = (
            f"{fields['method']} {fields['path']} {exchange.status} "
            f"{exchange.seconds * 1000:.1f} ms {exchange.body_bytes} bytes"
        )
        who = [str(fields[name]) for name in ("tenant", "user_id", "request_id") if fields[name]]
        _logger.log(level, "%s", " ".join([message, *who]), extra={FIELDS: fields})


def _path(scope: Scope) -> str:
    """As the client wrote it, percent-encoded: nothing in it can break a line."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if isinstance(raw, bytes) else scope["path"]
    return quote(path.partition("?")[0], safe="/%:@!$&'()*+,;=~-._")[:_LONGEST_PATH]
