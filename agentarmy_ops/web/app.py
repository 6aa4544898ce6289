"""The gateway: what is served on its one port, and the layers around it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

from dagster import DagsterInstance
from prometheus_client import REGISTRY, CollectorRegistry
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from agentarmy_ops.observability.access_log import AccessLogMiddleware
from agentarmy_ops.observability.exporter import Exporter
from agentarmy_ops.observability.fleet.cache import FleetCache
from agentarmy_ops.observability.fleet.read import FleetReader
from agentarmy_ops.observability.http_metrics import MetricsMiddleware
from agentarmy_ops.observability.registry_reader import RegistryReader
from agentarmy_ops.observability.request_id import RequestIdMiddleware
from agentarmy_ops.observability.tenant_lookup import TenantLookup
from agentarmy_ops.observability.tenant_middleware import TenantMiddleware
from agentarmy_ops.orchestration.health.metrics import HealthMetrics
from agentarmy_ops.orchestration.run_metrics import DagsterMetrics
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.settings import Settings
from agentarmy_ops.web.auth.access import Access, create_access
from agentarmy_ops.web.dagster_mount import DagsterMount
from agentarmy_ops.web.fleet.routes import fleet_routes
from agentarmy_ops.web.health.checks import check_database
from agentarmy_ops.web.health.gateway import health_routes
from agentarmy_ops.web.metrics import metrics_route
from agentarmy_ops.web.pages import static_files
from agentarmy_ops.web.security_headers import SecurityHeadersMiddleware
from agentarmy_ops.web.workspace import Workspace

# How long the end waits for a reading of the fleet, in seconds; the rest is left behind.
_END_SECONDS = 2.0


def create_gateway(runtime: Runtime, workspace_files: Sequence[Path]) -> ASGIApp:
    """Everything on one port. The code locations of ``workspace_files`` are loaded when the server
    starts, in the background; the instance is that of ``DAGSTER_HOME``.

    Raises:
        ConfigurationError: settings of the gateway are missing or contradict each other.
        DatabaseError: an embedded server does not start.
    """
    settings = runtime.settings
    access = create_access(settings)
    dagster_registry = CollectorRegistry()
    storage = ConnInfo.parse(runtime.dagster_url, name="DAGSTER_DATABASE_URL")
    workspace = Workspace(
        workspace_files,
        storage=lambda: check_database(storage),
        beside=lambda instance: _measured(instance, dagster_registry),
    )
    cache = FleetCache(
        FleetReader(lambda: runtime.store, runtime.registry), settings.fleet_refresh_seconds
    )
    registry = RegistryReader(runtime.backup)
    tenants = TenantLookup(registry)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        workspace.start()
        cache.start()
        yield
        tenants.close()
        for stop in (partial(cache.stop, _END_SECONDS), workspace.stop, registry.close):
            await run_in_threadpool(stop)

    app = Starlette(
        routes=[
            *health_routes(runtime, storage, workspace),
            metrics_route(Exporter(cache, settings, (REGISTRY, dagster_registry))),
            *_for_tenants(fleet_routes(cache, settings), tenants),
            *access.routes,
            static_files(),
            Mount("/", DagsterMount(workspace)),
        ],
        lifespan=lifespan,
    )
    return _within_layers(app, access, settings)


def _within_layers(app: ASGIApp, access: Access, settings: Settings) -> ASGIApp:
    """Innermost first. What answers a request without asking further in, as who lets in does, is
    inside of what every answer needs: id, log line, headers, metrics."""
    app = access.protect(app)
    app = MetricsMiddleware(app)
    https = (settings.gateway_url or "").startswith("https://")
    app = SecurityHeadersMiddleware(app, https=https)
    app = AccessLogMiddleware(app)
    return RequestIdMiddleware(app)


def _for_tenants(routes: list[BaseRoute], lookup: TenantLookup) -> list[BaseRoute]:
    """Routes that heed ``X-Tenant-ID``. Dagster's, and all others here, know no tenant."""
    for route in routes:
        if isinstance(route, Route):
            route.app = TenantMiddleware(route.app, lookup=lookup)
    return routes


@contextmanager
def _measured(instance: DagsterInstance, registry: CollectorRegistry) -> Iterator[None]:
    """In this block, ``registry`` has what is known of the instance."""
    collectors = (DagsterMetrics(instance), HealthMetrics(instance))
    for collector in collectors:
        collector.start()
        registry.register(collector)
    try:
        yield
    finally:
        for collector in collectors:
            registry.unregister(collector)
            collector.stop()
