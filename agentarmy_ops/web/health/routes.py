"""``/health`` and what is below it: open to everybody, small, never cached by others."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from agentarmy_ops.web.health.report import UNAVAILABLE, Reporter


class HealthRoutes:
    """``needed_to_serve`` are the checks without which :meth:`ready` says no; ``needed_to_start``
    those that must have been well together once."""

    def __init__(
        self,
        reporter: Reporter,
        *,
        needed_to_serve: frozenset[str],
        needed_to_start: frozenset[str],
    ) -> None:
        self._reporter = reporter
        self._needed_to_serve = needed_to_serve
        self._needed_to_start = needed_to_start
        self._started = False

    def routes(self) -> list[BaseRoute]:
        """Liveness, readiness, start-up."""
        return [
            Route("/health", self.alive),
            Route("/health/ready", self.ready),
            Route("/health/startup", self.startup),
        ]

    async def alive(self, request: Request) -> Response:
        """The process answers; touches nothing."""
        del request
        return _answer({"status": "ok"}, well=True)

    async def ready(self, request: Request) -> Response:
        """Whether the gateway can serve now."""
        del request
        body = (await self._reporter.report()).as_json(self._needed_to_serve)
        return _answer(body, well=body["status"] != UNAVAILABLE)

    async def startup(self, request: Request) -> Response:
        """Whether all that it needs was there at one moment since it started. Once so, always."""
        del request
        body = (await self._reporter.report()).as_json(self._needed_to_start)
        self._started = self._started or body["status"] != UNAVAILABLE
        return _answer({"started": self._started, **body}, well=self._started)


def _answer(body: Mapping[str, Any], *, well: bool) -> Response:
    return JSONResponse(
        dict(body), status_code=200 if well else 503, headers={"Cache-Control": "no-store"}
    )
