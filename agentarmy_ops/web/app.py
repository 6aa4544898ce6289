"""The gateway: what is served on its one port, and the layers around it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount
from starlette.types import ASGIApp

from agentarmy_ops.observability.access_log import AccessLogMiddleware
from agentarmy_ops.observability.fleet.cache import FleetCache
from agentarmy_ops.observability.fleet.read import FleetReader
from agentarmy_ops.observability.http_metrics import MetricsMiddleware
from agentarmy_ops.observability.request_id import RequestIdMiddleware
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.settings import Settings
from agentarmy_ops.web.dagster_mount import DagsterMount
from agentarmy_ops.web.health.gateway import health_routes
from agentarmy_ops.web.pages import static_files
from agentarmy_ops.web.security_headers import SecurityHeadersMiddleware
from agentarmy_ops.web.workspace import Workspace


def create_gateway(runtime: Runtime, workspace_files: Sequence[Path]) -> ASGIApp:
    """Everything on one port. The code locations of ``workspace_files`` are loaded when the server
    starts, in the background; the instance is that of ``DAGSTER_HOME``.

    Raises:
        ConfigurationError: settings of the gateway are missing or contradict each other.
    """
    settings = runtime.settings
    workspace = Workspace(workspace_files)
    cache = FleetCache(
        FleetReader(lambda: runtime.store, runtime.registry), settings.fleet_refresh_seconds
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        workspace.start()
        cache.start()
        yield
        await run_in_threadpool(cache.stop)
        await run_in_threadpool(workspace.stop)

    app = Starlette(
        routes=[
            *health_routes(runtime, workspace),
            static_files(),
            Mount("/", DagsterMount(workspace)),
        ],
        lifespan=lifespan,
    )
    return _within_layers(app, settings)


def _within_layers(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Innermost first. What answers a request without asking further in, as the login does, is
    inside of what every answer needs: id, log line, headers, metrics."""
    app = MetricsMiddleware(app)
    https = (settings.gateway_url or "").startswith("https://")
    app = SecurityHeadersMiddleware(app, https=https)
    app = AccessLogMiddleware(app)
    return RequestIdMiddleware(app)
