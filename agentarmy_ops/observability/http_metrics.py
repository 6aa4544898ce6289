"""How many requests there were and how long they took, for Prometheus."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from agentarmy_ops.observability.exchange import Exchange
from agentarmy_ops.observability.instruments import once_per_registry
from agentarmy_ops.observability.route_template import route_template
from agentarmy_ops.observability.tenant_label import tenant_label

WEBSOCKET = "WEBSOCKET"

# Seconds: Prometheus' own, and two more, for queries of Dagster's UI and answers of an LLM.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
_SCOPE_KEY = "agentarmy.measured"


class _Instruments:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "http_requests_total",
            "HTTP requests answered, websockets by their handshake",
            ["method", "endpoint", "status_code", "tenant_id"],
            registry=registry,
        )
        self.duration = Histogram(
            "http_request_duration_seconds",
            "Time from a request to the last byte of its answer, or to a websocket's handshake",
            ["method", "endpoint", "tenant_id"],
            buckets=_BUCKETS,
            registry=registry,
        )


_instruments = once_per_registry(_Instruments)


class MetricsMiddleware:
    """Count and time every request: pure ASGI, for any application.

    ``http_requests_total{method,endpoint,status_code,tenant_id}`` and
    ``http_request_duration_seconds{method,endpoint,tenant_id}``. No label is taken from the
    client as it came: ``endpoint`` is the route's template or ``unmatched``, an unheard-of method
    is ``other``, and ``tenant_id`` is that of a tenant in the registry (set by
    :class:`~agentarmy_ops.observability.tenant_middleware.TenantMiddleware` on either side of
    this one) or ``unknown``. A websocket has the method ``WEBSOCKET``. Which
    ``status_code`` stands for a failure or a client that left says
    :class:`~agentarmy_ops.observability.exchange.Exchange`.

    Several of these may share a registry; where one is inside of another, the outermost counts.
    """

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry = REGISTRY) -> None:
        self.app = app
        self._instruments = _instruments(registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what became of it."""
        if scope["type"] not in ("http", "websocket") or _SCOPE_KEY in scope:
            await self.app(scope, receive, send)
            return
        scope[_SCOPE_KEY] = True
        await Exchange(scope, self._count).run(self.app, receive, send)

    def _count(self, exchange: Exchange) -> None:
        scope = exchange.scope
        if scope["type"] == "websocket":
            method = WEBSOCKET
        else:
            method = scope["method"] if scope["method"] in _METHODS else "other"
        endpoint, tenant = route_template(scope, self.app), tenant_label(scope)
        self._instruments.requests.labels(method, endpoint, str(exchange.status), tenant).inc()
        self._instruments.duration.labels(method, endpoint, tenant).observe(exchange.seconds)
