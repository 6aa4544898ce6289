"""Who may enter, as the settings say."""

import time
from dataclasses import dataclass

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import GatewayAuth, Settings
from agentarmy_ops.web.auth.gate import Gate, OpenGate
from agentarmy_ops.web.auth.iap import IapGate, read_addresses
from agentarmy_ops.web.auth.iap_keys import KEYS_URL, IapKeys
from agentarmy_ops.web.auth.login import Login
from agentarmy_ops.web.auth.metrics_gate import MetricsGate
from agentarmy_ops.web.auth.middleware import AuthMiddleware
from agentarmy_ops.web.auth.origin import check_gateway_url
from agentarmy_ops.web.auth.proxies import believing, read_proxies
from agentarmy_ops.web.auth.rate_limit import RateLimit
from agentarmy_ops.web.auth.sessions import Sessions
from agentarmy_ops.web.auth.tokens import TokenGate, read_metrics_token, read_tokens


@dataclass(frozen=True)
class Access:
    """What the gateway needs: routes of its own for logging in, and a door before everything.

    ``loopback_only``: the mode is ``none``; the gateway must listen on loopback only.
    """

    routes: list[BaseRoute]
    loopback_only: bool
    _gate: Gate
    _metrics_gate: Gate | None
    _gateway_url: str | None
    _proxies: list[str]

    def protect(self, app: ASGIApp) -> ASGIApp:
        """``app``, which is reached by whoever may enter, and by nobody else."""
        door = AuthMiddleware(
            app,
            self._gate,
            metrics_gate=self._metrics_gate,
            gateway_url=self._gateway_url,
            loopback_only=self.loopback_only,
            login=bool(self.routes),
        )
        return believing(door, self._proxies)


def create_access(settings: Settings, *, iap_keys_url: str = KEYS_URL) -> Access:
    """Read the settings; touches no network.

    Raises:
        ConfigurationError: they would let in nobody, or more than they seem to.
    """
    url = settings.gateway_url
    check_gateway_url(url)
    limit = RateLimit(time.monotonic)
    metrics_token = read_metrics_token(settings)
    routes: list[BaseRoute] = []
    gate: Gate
    match settings.gateway_auth:
        case GatewayAuth.NONE:
            _no_forgotten_token(settings)
            gate = OpenGate()
        case GatewayAuth.TOKEN:
            tokens = read_tokens(settings)
            sessions = Sessions(tokens)
            gate = TokenGate(tokens, sessions, limit, url)
            routes = list(Login(gate, sessions, url).routes)
        case GatewayAuth.IAP:
            addresses = read_addresses(settings)
            keys = IapKeys(iap_keys_url, time.monotonic)
            gate = IapGate(keys, settings.gateway_iap_audience or "", addresses)
    return Access(
        routes=routes,
        loopback_only=settings.gateway_auth is GatewayAuth.NONE,
        _gate=gate,
        _metrics_gate=MetricsGate(metrics_token, gate, limit) if metrics_token else None,
        _gateway_url=url,
        _proxies=read_proxies(settings),
    )


def _no_forgotten_token(settings: Settings) -> None:
    for name in ("gateway_operator_token", "gateway_viewer_token", "gateway_iap_audience"):
        if getattr(settings, name):
            raise ConfigurationError(
                f"{name.upper()} is set, but GATEWAY_AUTH=none lets in everybody: set "
                "GATEWAY_AUTH=token or iap, or unset it"
            )
