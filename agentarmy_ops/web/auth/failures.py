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

_log = logging.getLogger("agentarmy_ops.gateway")


def record(scope: Scope, refusal: Refusal) -> None:
    """Count it, and log it: reason, client, path. Never a header, a query string or a body.

    Not logged is a client held back for being wrong too often, whose failures are in the log,
    and one that sent nothing: that is how everybody's first visit looks.
    """
    FAILURES.labels(refusal.reason.value).inc()
    if refusal.reason in (Reason.RATE_LIMITED, Reason.MISSING):
        return
    client = client_of((scope.get("client") or (None,))[0])
    # repr: a path may hold line ends.
    _log.warning("refused %s from %s: %r", refusal.reason.value, client, scope["path"])
