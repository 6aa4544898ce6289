"""From which site a browser sent a request, and to which host it believes to speak."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.web.auth.headers import only

_PORTS = {"http": 80, "https": 443}
_WEB = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_PASSED_ON = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def origin_of(url: str) -> str | None:
    """``scheme://host:port`` of an http(s) address, always with its port; None: it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else None


def check_gateway_url(url: str | None) -> SplitResult | None:
    """``GATEWAY_URL`` in parts.

    Raises:
        ConfigurationError: it is no address of a site.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if origin_of(url) is None or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise ConfigurationError(
            "GATEWAY_URL must be the address of the site alone, as in https://ops.example.com"
        )
    return parts


def is_secure(scope: Scope, gateway_url: str | None) -> bool:
    """Whether the browser speaks https, to us or to a proxy before us."""
    return (gateway_url or "").startswith("https:") or scope["scheme"] in ("https", "wss")


def is_same_origin(scope: Scope, gateway_url: str | None, *, must_be_there: bool) -> bool:
    """Whether a page of this site sent the request.

    Browsers name the sending page's origin with every request that is not GET or HEAD, and with
    every websocket; programs do not. ``must_be_there``: without one it is not ours.
    """
    given = only(scope, "origin")
    if given is None:
        fetched = only(scope, "sec-fetch-site")
        return not must_be_there and fetched in (None, "same-origin", "none")
    origin = origin_of(given)
    if origin is None:
        return False
    own = f"{_WEB[scope['scheme']]}://{only(scope, 'host') or ''}"
    return origin in {origin_of(own), origin_of(gateway_url or "")}


def is_of_this_machine(scope: Scope, gateway_url: str | None) -> bool:
    """Whether the request is addressed to this machine by a name that no name server can give to
    somebody else's (DNS rebinding), and not passed on by a proxy or tunnel, which lets others in;
    or addressed to ``GATEWAY_URL``, which somebody has set."""
    try:
        name = urlsplit(f"//{only(scope, 'host') or ''}").hostname or ""
    except ValueError:
        return False
    if gateway_url and name == urlsplit(gateway_url).hostname:
        return True
    return _PASSED_ON.isdisjoint(Headers(scope=scope)) and _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
