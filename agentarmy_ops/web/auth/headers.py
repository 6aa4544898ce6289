"""Headers of a request, where one that comes twice is no header at all."""

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope


class RepeatedHeaderError(Exception):
    """A header that may come once came more often: two readers could believe two things."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def only(scope: Scope, name: str) -> str | None:
    """The value of a header that must not come twice.

    Raises:
        RepeatedHeaderError: it did.
    """
    values = Headers(scope=scope).getlist(name)
    if len(values) > 1:
        raise RepeatedHeaderError(name)
    return values[0] if values else None


def bearer(scope: Scope) -> str | None:
    """The token of ``Authorization: Bearer``; None where there is none. Another scheme is not
    ours (a proxy may have asked for it)."""
    value = only(scope, "authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def cookie(scope: Scope, name: str) -> str | None:
    """The value of a cookie."""
    return cookie_parser("; ".join(Headers(scope=scope).getlist("cookie"))).get(name)
