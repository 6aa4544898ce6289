"""Nobody passes without being known; everything else of the gateway is behind this."""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentarmy_ops.observability.context import user_context
from agentarmy_ops.web.auth.answers import POLICY_VIOLATION, refuse
from agentarmy_ops.web.auth.body_limit import BODY, STRANGERS_BODY, limited
from agentarmy_ops.web.auth.failures import record
from agentarmy_ops.web.auth.gate import Gate
from agentarmy_ops.web.auth.headers import RepeatedHeaderError
from agentarmy_ops.web.auth.identity import (
    READ_ONLY,
    ROLE,
    SESSION,
    USER,
    Identity,
    Reason,
    Refusal,
    Role,
    Way,
)
from agentarmy_ops.web.auth.origin import SAFE_METHODS, is_of_this_machine, is_same_origin
from agentarmy_ops.web.auth.paths import GRAPHQL, METRICS, is_open, is_plain


class AuthMiddleware:
    """Puts role and name into the scope of whoever may enter, and refuses the rest.

    Roles and names of the scope come from here only. What may be changed by GraphQL is decided
    where it is parsed (``graphql_guard``).
    """

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        *,
        metrics_gate: Gate | None = None,
        gateway_url: str | None = None,
        loopback_only: bool = False,
        login: bool = False,
    ) -> None:
        """``metrics_gate``: who may read ``/metrics``; None: who may enter. ``loopback_only``: only
        for hosts that are this machine. ``login``: ``/login`` and ``/logout`` are there."""
        self.app = app
        self._gate = gate
        self._metrics_gate = metrics_gate or gate
        self._gateway_url = gateway_url
        self._loopback_only = loopback_only
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            found = await self._decide(scope)
        except RepeatedHeaderError as error:
            found = Refusal(Reason.MALFORMED, f"the header {error.name} is there twice")
        if isinstance(found, Refusal):
            record(scope, found)
            await refuse(scope, receive, send, found, login=self._login)
            return
        if found is None:
            await self.app(scope, limited(scope, receive, STRANGERS_BODY), send)
            return
        known = {ROLE: found.role, USER: found.user, SESSION: found.way is Way.SESSION}
        if scope["type"] == "websocket" and found.expires is not None:
            receive = _until(found.expires, receive, send)
        # In place: the log and the metrics around read the same scope.
        scope.update(known)
        with user_context(found.user):
            await self.app(scope, limited(scope, receive, BODY), send)

    async def _decide(self, scope: Scope) -> Identity | Refusal | None:
        """Who enters; None: anybody may, here."""
        misled = self._misled(scope)
        if misled:
            return misled
        if is_open(scope, login=self._login):
            # A foreign page must neither log somebody out nor in, as somebody else.
            return self._foreign(scope, must_be_there=False)
        gate = self._metrics_gate if scope["path"] == METRICS else self._gate
        identity = await gate.identify(scope)
        if isinstance(identity, Refusal):
            return identity
        if identity.way is not Way.BEARER:
            foreign = self._foreign(scope, must_be_there=identity.way is Way.SESSION)
            if foreign:
                return foreign
        if identity.role is not Role.OPERATOR and not _may_view(scope):
            return READ_ONLY
        return identity

    def _misled(self, scope: Scope) -> Refusal | None:
        """The refusal of what nobody sends on purpose, whoever they are."""
        if not is_plain(scope["path"]):
            return Refusal(
                Reason.BAD_PATH, "the path has a dot between slashes, two slashes or a backslash"
            )
        if self._loopback_only and not is_of_this_machine(scope, self._gateway_url):
            return Refusal(
                Reason.FOREIGN_HOST,
                "GATEWAY_AUTH=none answers to localhost only: set another mode, or GATEWAY_URL",
            )
        return None

    def _foreign(self, scope: Scope, *, must_be_there: bool) -> Refusal | None:
        """The refusal of what a page of another site makes a browser send, with the cookies it
        has for this one."""
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return None
        if is_same_origin(scope, self._gateway_url, must_be_there=must_be_there):
            return None
        return Refusal(
            Reason.FOREIGN_ORIGIN,
            "the request is not from a page of this site; if it is, set GATEWAY_URL to its address",
        )


def _may_view(scope: Scope) -> bool:
    """Whether a viewer may send this: what only reads, and what GraphQL's guard reads."""
    if scope["type"] == "websocket" or scope["method"] in SAFE_METHODS:
        return True
    return bool(scope["path"] == GRAPHQL and scope["method"] == "POST")


def _until(expires: float, receive: Receive, send: Send) -> Receive:
    """``receive`` of a websocket that is closed at that moment (Unix seconds): it may stay open
    for days, and what let it in does not."""

    async def receive_until() -> Message:
        try:
            return await asyncio.wait_for(receive(), max(0.0, expires - time.time()))
        except TimeoutError:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    return receive_until
