"""Attempts that were refused: counted, and logged without what was tried."""

import logging

from prometheus_client import Counter
from starlette.types import Scope

from agentarmy_ops.web.auth.identity import Reason, Refusal
from agentarmy_ops.web.auth.rate_limit import client_of

FAILURES = Counter(
    "agentarmy_gateway_auth_failures_total",
    "Requests that the gateway refused because of who sent them, or how.",
    ["reason"],
)
for _reason in Reason:
    FAILURES.labels(_reason.value)  # from the start 0, so that the first one is an increase

_NOT_LOGGED = frozenset({Reason.MISSING, Reason.ENDED_SESSION, Reason.RATE_LIMITED})
_log = logging.getLogger("agentarmy_ops.gateway")


def record(scope: Scope, refusal: Refusal) -> None:
    """Count it, and log it: reason, client, path. Never a header, a query string or a body.

    Not logged is what means nothing: a client that sent nothing, as with everybody's first
    visit; a page left open, which goes on asking when its session has ended; and a client held
    back for being wrong too often, whose failures are in the log.
    """
    FAILURES.labels(refusal.reason.value).inc()
    if refusal.reason in _NOT_LOGGED:
        return
    client = client_of((scope.get("client") or (None,))[0])
    # repr: a path may hold line ends.
    _log.warning("refused %s from %s: %r", refusal.reason.value, client, scope["path"])
