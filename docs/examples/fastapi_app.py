"""An application that says what it does, of each tenant: metrics, errors, one line for a request.

DATABASE_URL=postgresql://... uvicorn --factory --no-access-log fastapi_app:create_app
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import psycopg
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from psycopg import sql
from starlette.types import ASGIApp

from agentarmy_ops.observability import (
    AccessLogMiddleware,
    MetricsMiddleware,
    RequestIdMiddleware,
    TenantContext,
    TenantLookup,
    TenantMiddleware,
    configure_logging,
    current_tenant,
    init_sentry,
    track_llm_call,
    user_context,
)
from agentarmy_ops.tenants.context import set_tenant
from agentarmy_ops.tenants.slug import schema_name

MODEL = "example-1"


async def complete(prompt: str) -> tuple[str, int, int]:
    """Stands for the client of a model: the answer, and the tokens of prompt and answer."""
    if not prompt.strip():
        raise ValueError("the model has nothing to say to that")
    answer = f"You said: {prompt}"
    return answer, len(prompt.split()), len(answer.split())


async def user(x_user_id: Annotated[str, Header()] = "anonymous") -> AsyncIterator[str]:
    """Who asks. An application knows it from its session."""
    with user_context(x_user_id):
        yield x_user_id


def tenant() -> TenantContext:
    """For whom. The middleware has refused what names nobody."""
    found = current_tenant()
    if found is None:
        raise HTTPException(400, "which tenant?")
    return found


def metrics() -> Response:
    """All metrics of this process, or of all processes where there are several."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def create_app() -> ASGIApp:
    """The application, as the environment says."""
    environment = os.environ.get("ENVIRONMENT", "development")
    database = os.environ["DATABASE_URL"]
    configure_logging(environment)
    init_sentry(os.environ.get("SENTRY_DSN"), environment, service="example")
    lookup = TenantLookup.in_database(database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        lookup.close()

    app = FastAPI(lifespan=lifespan, dependencies=[Depends(user)])
    app.add_api_route("/metrics", metrics, include_in_schema=False)

    def connection(
        of: Annotated[TenantContext, Depends(tenant)],
    ) -> Iterator[psycopg.Connection[tuple[str]]]:
        """A transaction that sees the rows of this tenant alone."""
        with psycopg.connect(database) as opened:
            set_tenant(opened, of.tenant_id)
            yield opened

    @app.get("/agents")
    def agents(
        of: Annotated[TenantContext, Depends(tenant)],
        opened: Annotated[psycopg.Connection[tuple[str]], Depends(connection)],
    ) -> list[str]:
        table = sql.Identifier(schema_name(of.slug), "agents")
        query = sql.SQL("SELECT name FROM {} ORDER BY name").format(table)
        return [name for (name,) in opened.execute(query)]

    @app.post("/agents/{agent}/messages")
    async def message(agent: str, prompt: str) -> dict[str, str]:
        async with track_llm_call(MODEL) as call:
            answer, read, written = await complete(prompt)
            call.count_tokens(prompt=read, completion=written)
        return {"agent": agent, "answer": answer}

    # Around the application, and not by add_middleware: FastAPI answers failures outside of those.
    within = TenantMiddleware(app, lookup=lookup, required=True)
    return RequestIdMiddleware(AccessLogMiddleware(MetricsMiddleware(within)))
