"""Which route answered a request: ``/agents/{agent_id}``, never the path itself.

Only the innermost route is left in the scope by routing, without the paths of the mounts around
it, and older versions of Starlette leave not even that. So the routes are asked again, from the
outermost on.
"""

from collections.abc import Iterable
from typing import Any

from starlette.routing import Match
from starlette.types import Scope

UNMATCHED = "unmatched"

_SCOPE_KEY = "agentarmy.endpoint"


def route_template(scope: Scope, app: object) -> str:
    """The template of the route that fits ``scope``, with those of the mounts around it.

    ``scope`` is the one that went through routing, ``app`` the ASGI application that it went to:
    Starlette's, FastAPI's, or middlewares around one of them. :data:`UNMATCHED` where no route
    fits. A mounted application without routes, such as ``StaticFiles``, is one endpoint.
    """
    if _SCOPE_KEY not in scope:
        # The outermost router leaves itself in the scope, the outermost mount the root_path that
        # was before it.
        outermost = scope.get("router") or app
        root = scope.get("app_root_path", scope.get("root_path", ""))
        asked = {**scope, "root_path": root, "path_params": {}}
        scope[_SCOPE_KEY] = _find(_routes_of(outermost), asked) or UNMATCHED
    return str(scope[_SCOPE_KEY])


def _find(routes: Iterable[Any], scope: Scope) -> str | None:
    partial = None
    for route in _flat(routes):
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            return _template(route, {**scope, **child_scope})
        if match is Match.PARTIAL and partial is None:  # the path fits, the method does not
            partial = _template(route, {**scope, **child_scope})
    return partial


def _template(route: Any, scope: Scope) -> str | None:
    inner = _routes_of(getattr(route, "app", None)) if _is_mount(route) else ()
    if inner:
        found = _find(inner, scope)
        return None if found is None else getattr(route, "path", "") + found
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return path if isinstance(path, str) else None


def _is_mount(route: Any) -> bool:
    """Also a :class:`starlette.routing.Host`, which has no path."""
    return hasattr(route, "routes")


def _flat(routes: Iterable[Any]) -> Iterable[Any]:
    """Routes; FastAPI's included routers as the routes in them, with the whole path."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context


def _routes_of(app: object) -> list[Any]:
    """The routes of an application, also below pure ASGI middlewares, which keep it as ``app``."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        routes = getattr(app, "routes", None)
        if routes:
            return list(routes)
        app = getattr(app, "app", None)
    return []
