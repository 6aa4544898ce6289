"""``GATEWAY_AUTH=token``: a bearer token, or the session of somebody who gave one."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from starlette.types import Scope

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import Settings
from agentarmy_ops.web.auth.headers import bearer, cookie
from agentarmy_ops.web.auth.identity import Identity, Reason, Refusal, Role, Way
from agentarmy_ops.web.auth.origin import is_secure
from agentarmy_ops.web.auth.rate_limit import RateLimit, client_of
from agentarmy_ops.web.auth.sessions import Session, Sessions

_SENDABLE = re.compile(r"[\x21-\x7e]+")


def read_tokens(settings: Settings) -> dict[Role, str]:
    """The tokens that let in.

    Raises:
        ConfigurationError: there is none, or they are one, or one cannot be sent.
    """
    given = {
        Role.OPERATOR: settings.gateway_operator_token,
        Role.VIEWER: settings.gateway_viewer_token,
    }
    tokens = {role: token.get_secret_value() for role, token in given.items() if token}
    if not tokens:
        raise ConfigurationError(
            "GATEWAY_AUTH=token needs GATEWAY_OPERATOR_TOKEN, GATEWAY_VIEWER_TOKEN or both"
        )
    if len(set(tokens.values())) < len(tokens):
        raise ConfigurationError(
            "GATEWAY_OPERATOR_TOKEN and GATEWAY_VIEWER_TOKEN are the same: nobody could tell "
            "viewers from operators; make two"
        )
    for role, token in tokens.items():
        check_sendable(f"GATEWAY_{role.upper()}_TOKEN", token)
    return tokens


def read_metrics_token(settings: Settings) -> str | None:
    """The token for ``/metrics`` alone.

    Raises:
        ConfigurationError: it lets in elsewhere too, or cannot be sent.
    """
    if settings.metrics_token is None:
        return None
    token = settings.metrics_token.get_secret_value()
    check_sendable("METRICS_TOKEN", token)
    for role, other in (
        ("OPERATOR", settings.gateway_operator_token),
        ("VIEWER", settings.gateway_viewer_token),
    ):
        if other and other.get_secret_value() == token:
            raise ConfigurationError(
                f"METRICS_TOKEN and GATEWAY_{role}_TOKEN are the same: Prometheus could do "
                "everything that people can; make two"
            )
    return token


def check_sendable(name: str, token: str) -> None:
    """A header holds a token as it is.

    Raises:
        ConfigurationError: this one it could not.
    """
    if not _SENDABLE.fullmatch(token):
        raise ConfigurationError(
            f"{name} holds a space, a line end or a letter outside ASCII, which no header can: "
            "make one with openssl rand -hex 32"
        )


def same(given: str, token: str) -> bool:
    """Whether two secrets are equal; takes as long for any ``given`` of one length."""
    digests = (hashlib.sha256(secret.encode()).digest() for secret in (given, token))
    return hmac.compare_digest(*digests)


class TokenGate:
    """Knows people by token or session."""

    def __init__(
        self,
        tokens: Mapping[Role, str],
        sessions: Sessions,
        limit: RateLimit,
        gateway_url: str | None,
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._limit = limit
        self._gateway_url = gateway_url

    async def identify(self, scope: Scope) -> Identity | Refusal:
        """Whoever sent the request. A bearer token, once given, is what counts."""
        token = bearer(scope)
        if token is not None:
            return self.try_token(scope, token)
        session = self.session(scope)
        if session is None:
            return Refusal(
                Reason.MISSING, "log in at /login, or send the header Authorization: Bearer TOKEN"
            )
        if not isinstance(session, Session):
            return Refusal(session, "the session has ended: log in again at /login")
        return Identity(session.role, session.role, Way.SESSION, session.expires)

    def try_token(self, scope: Scope, token: str) -> Identity | Refusal:
        """Whose token it is; each wrong one counts against the client."""
        client = client_of((scope.get("client") or (None,))[0])
        wait = self._limit.wait(client)
        if wait:
            return too_often(wait)
        # All of them, so that time does not tell which one was nearly right.
        matches = [role for role, own in self._tokens.items() if same(token, own)]
        if not matches:
            self._limit.was_wrong(client)
            return Refusal(Reason.WRONG_TOKEN, "the token is not one that lets in")
        self._limit.was_right(client)
        (role,) = matches
        return Identity(role, role, Way.BEARER)

    def session(self, scope: Scope) -> Session | Reason | None:
        """The session of the request's cookie, or what is wrong with it; None: no cookie."""
        text = cookie(scope, self.cookie_name(scope))
        return None if text is None else self._sessions.read(text)

    def cookie_name(self, scope: Scope) -> str:
        """What a browser keeps the session as. With the prefix it takes it from this very host
        and over https only: no neighbour below the same domain can plant one."""
        secure = is_secure(scope, self._gateway_url)
        return "__Host-agentarmy-session" if secure else "agentarmy-session"


def too_often(wait: int) -> Refusal:
    """The client was wrong too often; ``wait`` in seconds."""
    return Refusal(Reason.RATE_LIMITED, f"too many wrong tokens: wait {wait} s", wait)
