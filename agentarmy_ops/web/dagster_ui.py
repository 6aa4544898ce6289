"""Dagster's UI for people of two roles."""

from asyncio import Task
from typing import Any

from dagster._core.workspace.context import (
    IWorkspaceProcessContext,
    WorkspaceProcessContext,
    WorkspaceRequestContext,
)
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLFormattedError
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.websockets import WebSocket

from agentarmy_ops.web.auth.identity import ROLE, Role
from agentarmy_ops.web.graphql_guard import objection


class RoleAwareWorkspace(WorkspaceProcessContext):
    """Read-only for requests of viewers, so that Dagster shows them no button they may not press,
    and refuses by itself what they may not do."""

    def create_request_context(self, source: object | None = None) -> WorkspaceRequestContext:
        """What one request sees. Whoever is not known as an operator is a viewer."""
        trusted = isinstance(source, HTTPConnection) and source.scope.get(ROLE) is Role.OPERATOR
        return WorkspaceRequestContext(
            instance=self.instance,
            current_workspace=self.get_current_workspace(),
            process_context=self,
            version=self.version,
            source=source,
            read_only=self.read_only or not trusted,
        )


class _GuardedWebserver(
    DagsterWebserver[IWorkspaceProcessContext[WorkspaceRequestContext], WorkspaceRequestContext]
):
    """Asks the guard where each query comes by, however it was sent."""

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """A body that is no object is the sender's mistake, of which Dagster makes one of ours."""
        if request.method == "POST" and "json" in request.headers.get("content-type", ""):
            try:
                data = await request.json()  # kept by the request, so not read twice
            except (ValueError, RecursionError):
                data = None
            if not isinstance(data, dict):
                message = "a GraphQL request is one JSON object with a query"
                return JSONResponse({"errors": [{"message": message}]}, 400)
        response: Response = await super().graphql_http_endpoint(request)
        return response

    async def execute_graphql_request(
        self,
        request: Request,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
    ) -> JSONResponse:
        refused = await objection(request, query)
        if refused:
            return JSONResponse({"data": None, "errors": [refused.error]}, refused.status)
        return await super().execute_graphql_request(request, query, variables, operation_name)

    async def execute_graphql_subscription(
        self,
        websocket: WebSocket,
        operation_id: str,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
    ) -> tuple[Task[Any] | None, GraphQLFormattedError | None]:
        refused = await objection(websocket, query)
        if refused:
            return None, refused.error
        return await super().execute_graphql_subscription(
            websocket, operation_id, query, variables, operation_name
        )

    async def download_notebook(self, request: Request) -> Response:
        """Any ``.ipynb`` below the code location's folder, rendered with the scripts in it: there
        is none here, and nobody needs one."""
        del request
        return PlainTextResponse("Not Found", 404)


def create_dagster_ui(workspace: RoleAwareWorkspace, *, live_data_poll_ms: int) -> Starlette:
    """The UI. ``live_data_poll_ms``: how often its pages ask again, in milliseconds."""
    return _GuardedWebserver(workspace, live_data_poll_rate=live_data_poll_ms).create_asgi_app()
