"""Proxies before the gateway: who of them may say where a request came from."""

from ipaddress import ip_network

from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import Settings


def read_proxies(settings: Settings) -> list[str]:
    """The addresses and networks of ``GATEWAY_TRUSTED_PROXIES``.

    Raises:
        ConfigurationError: one is neither, or everybody would be believed.
    """
    proxies = [part.strip() for part in settings.gateway_trusted_proxies.split(",")]
    for proxy in filter(None, proxies):
        try:
            network = ip_network(proxy)
        except ValueError:
            raise ConfigurationError(
                f"GATEWAY_TRUSTED_PROXIES: {proxy!r} is neither an address nor a network, as in "
                "10.0.0.5, 10.0.0.0/24"
            ) from None
        if network.prefixlen == 0:
            raise ConfigurationError(
                f"GATEWAY_TRUSTED_PROXIES: {proxy} is everybody, who could then be anybody; name "
                "the proxies"
            )
    return [proxy for proxy in proxies if proxy]


def believing(app: ASGIApp, proxies: list[str]) -> ASGIApp:
    """``app``, with client and scheme as these proxies say: of the chain in ``X-Forwarded-For``
    the last one that is none of them, for whatever is before it anybody can have written."""
    return ProxyHeadersMiddleware(app, proxies) if proxies else app  # type: ignore[arg-type,return-value]
