"""Work for the tenant that a request names."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agentarmy_ops.errors import DatabaseError, InvalidInputError
from agentarmy_ops.observability.context import TenantContext, tenant_context
from agentarmy_ops.observability.sentry_sdk import tag_trace
from agentarmy_ops.observability.skip import is_skipped
from agentarmy_ops.observability.tenant_label import TENANT_KEY

HEADER = "X-Tenant-ID"
# What has no tenant in any application; FastAPI's /docs loads /openapi.json.
NO_TENANT = ("/health", "/metrics", "/docs", "/openapi.json")

_RETRY_AFTER_SECONDS = 5
_POLICY_VIOLATION = 1008


class TenantMiddleware:
    """Set the tenant of each request from its header ``X-Tenant-ID``, an id or a slug, for the code
    that answers it, and for the metrics and logs around: pure ASGI.

    ``lookup`` finds the tenant: a
    :class:`~agentarmy_ops.observability.tenant_lookup.TenantLookup`. It is not asked for paths in
    ``skip`` and in :data:`NO_TENANT` (a path stands for all below it), nor without the header.

    A request whose header is missing, malformed (also: sent twice) or names no tenant, or that
    comes while the registry cannot be read, has no tenant. With ``required`` it is refused
    instead: 400, 400, 404 and 503, with one line of JSON; a websocket before it is accepted.

    The header is what the client says. Whether the user may act for that tenant, and whether the
    tenant is active, is the application's to check.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        lookup: Callable[[str], Awaitable[TenantContext | None]],
        required: bool = False,
        skip: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._lookup = lookup
        self._required = required
        self._skip = (*NO_TENANT, *skip)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, in the block of its tenant if it has one."""
        if scope["type"] not in ("http", "websocket") or is_skipped(scope, self._skip):
            await self.app(scope, receive, send)
            return
        found = await self._find(scope)
        if isinstance(found, TenantContext):
            scope[TENANT_KEY] = found
            tag_trace(tenant_id=str(found.tenant_id), tenant_slug=found.slug)
            with tenant_context(found):
                await self.app(scope, receive, send)
        elif self._required:
            await _refuse(found, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _find(self, scope: Scope) -> TenantContext | JSONResponse:
        """The tenant, or what to answer when there has to be one."""
        values = Headers(scope=scope).getlist(HEADER)
        if not values:
            return _answer(400, f"header {HEADER} is missing: send the tenant's id or slug in it")
        if len(values) > 1:
            return _answer(400, f"header {HEADER} was sent more than once: send one tenant")
        try:
            tenant = await self._lookup(values[0])
        except InvalidInputError:
            return _answer(400, f"header {HEADER} holds neither a tenant's id nor a slug")
        except DatabaseError:
            return _answer(
                503,
                "the tenant cannot be looked up now: try again",
                {"Retry-After": str(_RETRY_AFTER_SECONDS)},
            )
        return tenant or _answer(404, f"there is no tenant with the id or slug in header {HEADER}")


def _answer(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


async def _refuse(answer: JSONResponse, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
