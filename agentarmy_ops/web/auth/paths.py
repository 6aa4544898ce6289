"""Which paths mean what they seem to mean, and which are open to everybody."""

from starlette.types import Scope

METRICS = "/metrics"
GRAPHQL = "/graphql"
LOGIN = "/login"
LOGOUT = "/logout"
_READING = frozenset({"GET", "HEAD"})
_HEALTH = frozenset({"/health", "/health/ready", "/health/startup"})
_LOGGING_IN = {LOGIN: _READING | {"POST"}, LOGOUT: frozenset({"POST"})}
_CONTROLS = frozenset(map(chr, (*range(32), 127)))


def is_plain(path: str) -> bool:
    """Whether a decoded path has one meaning only.

    No ``.`` or ``..`` and nothing empty between slashes, which a file server below would
    resolve; no backslash; no control character, for a route's pattern also matches with a line
    feed behind it. No browser sends any of these, and no page of Dagster has them.
    """
    if not path.startswith("/") or "\\" in path or not _CONTROLS.isdisjoint(path):
        return False
    first, *parts = path[1:].split("/")
    inner = [first, *parts[:-1]] if parts else []
    return "" not in inner and not {".", ".."} & {first, *parts}


def is_open(scope: Scope, *, login: bool) -> bool:
    """Whether a request needs no login.

    By name, not by pattern, and by method: whatever is not named here is closed. With another
    method, another route would answer: Dagster's, which takes what is left. Compared is the very
    text that routes are found by.
    """
    if scope["type"] != "http":
        return False
    path, method = scope["path"], scope["method"]
    if path in _HEALTH or path.startswith("/static/"):
        return method in _READING
    return login and method in _LOGGING_IN.get(path, ())


def is_local(target: str) -> bool:
    """Whether a browser that is sent to ``target`` stays on this site: a path from the root.
    Browsers read ``//host``, ``/\\host`` and a tab or line feed before either as another site."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        return False
    return _CONTROLS.isdisjoint(target)
