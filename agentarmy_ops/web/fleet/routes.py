"""The routes of the fleet's pages. They only read, and never more than what is in memory."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.fleet.model import Fleet, State
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.settings import Settings
from agentarmy_ops.text import age
from agentarmy_ops.web.fleet.export import export
from agentarmy_ops.web.fleet.index import FleetIndex
from agentarmy_ops.web.fleet.paging import page_of
from agentarmy_ops.web.fleet.query import (
    LONGEST_SEARCH,
    Column,
    FleetQuery,
    read_query,
)
from agentarmy_ops.web.fleet.row import PLATFORM_PAGE, Moment, row_of
from agentarmy_ops.web.fleet.standing import Judge
from agentarmy_ops.web.fleet.summary import tiles
from agentarmy_ops.web.fleet.tenant_page import tenant_page
from agentarmy_ops.web.pages import templates

# Seconds after which a page that came before the first reading looks again.
_AGAIN = 3
# A reading is late when that many should have been made since.
_LATE_AFTER = 3


def fleet_routes(cache: Background[Fleet], settings: Settings) -> list[BaseRoute]:
    """``/fleet``, ``/fleet.json`` and ``/fleet/{slug}``."""
    pages = _Pages(cache, settings)
    return [
        Route("/fleet", _answering(pages.fleet), name="fleet"),
        Route("/fleet/", lambda _: RedirectResponse("/fleet", status_code=308)),
        Route("/fleet.json", _answering(pages.json, as_json=True)),
        Route("/fleet/{slug}", _answering(pages.tenant), name="fleet_tenant"),
    ]


class _NotReadError(Exception):
    """There is no reading yet."""


class _Pages:
    """Not coroutines: Starlette runs them in threads, so that no page holds up the others."""

    def __init__(self, cache: Background[Fleet], settings: Settings) -> None:
        self._cache = cache
        self._targets = Targets.of(settings)
        self._refresh = settings.fleet_refresh_seconds
        self._index: FleetIndex | None = None
        if cache.current:
            self._make_ready(cache.current)
        cache.watch(self._make_ready)

    def _make_ready(self, fleet: Fleet) -> None:
        self._index = FleetIndex(fleet)

    def fleet(self, request: Request) -> Response:
        """The table of all tenants."""
        query, index, judge = read_query(request.query_params), self._read(), self._judge()
        page = page_of(index.find(query, judge), query.page)
        whole = page.number == 1 and not query.filtered
        return templates.TemplateResponse(
            request,
            "fleet/fleet.html",
            {
                **self._standing(index.fleet, judge),
                "query": query,
                "tiles": tiles(index.figures, judge),
                "platform": row_of(index.fleet.platform, judge) if whole else None,
                "rows": [row_of(tenant, judge) for tenant in page.items],
                "page": page,
                **_CHOICES,
            },
        )

    def json(self, request: Request) -> Response:
        """All tenants that the query asks for, not in pages."""
        query, index, judge = read_query(request.query_params), self._read(), self._judge()
        found = index.find(query, judge)
        body = export(index.fleet, found, judge, self._cache.error)
        return Response(body, media_type="application/json")

    def tenant(self, request: Request) -> Response:
        """One tenant, or the platform part."""
        slug, fleet, judge = request.path_params["slug"], self._read().fleet, self._judge()
        tenant = fleet.platform if slug == PLATFORM_PAGE else fleet.by_slug.get(slug)
        if tenant is None:
            return _message(
                request,
                404,
                "No such tenant",
                "No tenant of this slug is in the registry, and no backup of one in the store.",
                link=FleetQuery(q=slug[:LONGEST_SEARCH]).link(),
                link_text=f"Search for {slug[:LONGEST_SEARCH]}",
            )
        return templates.TemplateResponse(
            request,
            "fleet/tenant.html",
            {**self._standing(fleet, judge), "tenant": tenant_page(tenant, judge)},
        )

    def _read(self) -> FleetIndex:
        if self._index is None:
            raise _NotReadError(self._cache.error or "")
        return self._index

    def _judge(self) -> Judge:
        return Judge(datetime.now(UTC), self._targets)

    def _standing(self, fleet: Fleet, judge: Judge) -> dict[str, Any]:
        """How far what is shown can be trusted."""
        seconds_ago = (judge.now - fleet.read_at).total_seconds()
        usual = max(self._refresh, 4 * fleet.seconds) + fleet.seconds
        return {
            "read": Moment.of(fleet.read_at, judge.now),
            "error": self._cache.error,
            "late": age(seconds_ago) if seconds_ago > _LATE_AFTER * usual else None,
            "problems": fleet.problems,
        }


_SORTS = {
    Column.TENANT: "tenant",
    Column.STATE: "state",
    Column.AGE: "age of the newest backup",
    Column.STORED: "stored",
    Column.PLAIN: "size",
    Column.TREND: "trend",
    Column.VERDICT: "verdict",
    Column.RESTORE: "proven restore",
}
_CHOICES = {
    "columns": Column,
    "states": [(state, state) for state in State],
    "sorts": list(_SORTS.items()),
}

_Endpoint = Callable[[Request], Response]


def _answering(endpoint: _Endpoint, *, as_json: bool = False) -> _Endpoint:
    """The endpoint, with an answer to what it cannot do: 400 to a query that makes no sense, 503
    before the first reading."""

    @wraps(endpoint)
    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except InvalidInputError as error:
            if as_json:
                return JSONResponse({"error": str(error)}, 400)
            return _message(
                request, 400, "This cannot be shown", str(error), link="/fleet", link_text="Fleet"
            )
        except _NotReadError as error:
            cause = str(error)
            headers = {"Retry-After": str(_AGAIN)}
            if as_json:
                return JSONResponse({"error": cause or "not read yet"}, 503, headers)
            return templates.TemplateResponse(
                request, "fleet/waiting.html", {"cause": cause, "again": _AGAIN}, 503, headers
            )

    return answer


def _message(
    request: Request, status: int, title: str, text: str, *, link: str, link_text: str
) -> Response:
    return templates.TemplateResponse(
        request,
        "fleet/message.html",
        {"heading": title, "text": text, "link": link, "link_text": link_text},
        status,
    )
