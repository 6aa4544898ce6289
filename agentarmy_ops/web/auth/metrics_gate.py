"""``METRICS_TOKEN``: Prometheus needs no more than ``/metrics``."""

from starlette.types import Scope

from agentarmy_ops.web.auth.gate import Gate
from agentarmy_ops.web.auth.headers import bearer
from agentarmy_ops.web.auth.identity import Identity, Reason, Refusal, Role, Way
from agentarmy_ops.web.auth.rate_limit import RateLimit, client_of
from agentarmy_ops.web.auth.tokens import same, too_often


class MetricsGate:
    """Lets in with the token of its own, and whoever may enter elsewhere by more than being
    there."""

    def __init__(self, token: str, gate: Gate, limit: RateLimit) -> None:
        self._token = token
        self._gate = gate
        self._limit = limit

    async def identify(self, scope: Scope) -> Identity | Refusal:
        """Whoever asks for ``/metrics``."""
        client = client_of((scope.get("client") or (None,))[0])
        given = bearer(scope)
        if given is not None:
            wait = self._limit.wait(client)
            if wait:
                return too_often(wait)
            if same(given, self._token):
                self._limit.was_right(client)
                return Identity(Role.VIEWER, "metrics", Way.BEARER)
        found = await self._gate.identify(scope)
        if isinstance(found, Identity) and found.way is not Way.NONE:
            return found
        if isinstance(found, Refusal) and found.reason is not Reason.MISSING:
            return found
        if given is None:
            return Refusal(Reason.MISSING, "send the header Authorization: Bearer METRICS_TOKEN")
        self._limit.was_wrong(client)
        return Refusal(Reason.WRONG_TOKEN, "the token is not METRICS_TOKEN")
