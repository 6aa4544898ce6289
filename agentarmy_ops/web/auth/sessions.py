"""Sessions of people who logged in with a token: signed, and kept by the browser."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from agentarmy_ops.web.auth.identity import Reason, Role

LIFETIME = 12 * 3600
"""Seconds that a session lasts: a working day. It is not prolonged."""
_ENDED = 10_000
"""Ended sessions remembered."""
_ALGORITHM = "HS256"


@dataclass(frozen=True)
class Session:
    """A session that is good. ``expires`` is in Unix seconds."""

    role: Role
    expires: float
    id: str


class Sessions:
    """Begins, reads and ends sessions.

    A session is a JWT. Its key is derived from its role's token, so that it ends when the token
    is changed, and that whoever knows the viewer's token cannot make an operator's session. What
    a token was changed to, or from, cannot be found out from a session other than by guessing.
    """

    def __init__(self, tokens: Mapping[Role, str]) -> None:
        self._keys = {role: session_key(token, role) for role, token in tokens.items()}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, role: Role) -> str:
        """The text of a new session."""
        now = int(time.time())
        claims = {
            "role": role.value,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode(claims, self._keys[role], algorithm=_ALGORITHM)

    def read(self, text: str) -> Session | Reason:
        """The session of this text, or what is wrong with it."""
        for role, key in self._keys.items():
            try:
                claims = jwt.decode(
                    text,
                    key,
                    algorithms=[_ALGORITHM],
                    options={"require": ["exp", "iat", "jti", "role"]},
                )
            except jwt.ExpiredSignatureError:
                return Reason.ENDED_SESSION
            except jwt.InvalidTokenError:
                continue
            if claims["role"] != role:
                return Reason.BAD_SESSION
            if claims["jti"] in self._ended:
                return Reason.ENDED_SESSION
            return Session(role, claims["exp"], claims["jti"])
        return Reason.BAD_SESSION

    def end(self, session: Session) -> None:
        """From now on a copy of it is worth nothing, as long as this process lives."""
        self._ended[session.id] = None
        while len(self._ended) > _ENDED:
            self._ended.popitem(last=False)


def session_key(token: str, role: Role) -> bytes:
    """The key of a role's sessions (RFC 5869)."""
    info = f"agentarmy-ops session of {role}".encode()
    return HKDF(SHA256(), length=32, salt=None, info=info).derive(token.encode())
