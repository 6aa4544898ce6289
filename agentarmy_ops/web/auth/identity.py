"""Who sent a request, or why nobody is believed to have."""

from dataclasses import dataclass
from enum import StrEnum

ROLE = "agentarmy.role"
"""Key of the ASGI scope: the :class:`Role` of whoever sent the request."""
USER = "agentarmy.user"
"""Key of the ASGI scope: their name; an e-mail address behind Google's proxy."""
SESSION = "agentarmy.session"
"""Key of the ASGI scope: whether a cookie let them in, which a logout takes away."""


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"


class Way(StrEnum):
    """By what somebody was let in."""

    NONE = "none"
    BEARER = "bearer"
    SESSION = "session"
    ASSERTION = "assertion"


class Reason(StrEnum):
    """Why a request was refused; the label of ``agentarmy_gateway_auth_failures_total``."""

    MISSING = "missing"
    MALFORMED = "malformed"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - the name of a reason
    BAD_SESSION = "bad_session"
    ENDED_SESSION = "ended_session"
    BAD_ASSERTION = "bad_assertion"
    UNKNOWN_ADDRESS = "unknown_address"
    KEYS_UNREACHABLE = "keys_unreachable"
    RATE_LIMITED = "rate_limited"
    FOREIGN_HOST = "foreign_host"
    FOREIGN_ORIGIN = "foreign_origin"
    READ_ONLY = "read_only"
    BAD_PATH = "bad_path"


_STATUS = {
    Reason.MALFORMED: 400,
    Reason.BAD_PATH: 400,
    Reason.UNKNOWN_ADDRESS: 403,
    Reason.FOREIGN_HOST: 403,
    Reason.FOREIGN_ORIGIN: 403,
    Reason.READ_ONLY: 403,
    Reason.RATE_LIMITED: 429,
    Reason.KEYS_UNREACHABLE: 503,
}


@dataclass(frozen=True)
class Identity:
    """Somebody who may enter. ``expires`` is in Unix seconds, None: with the request."""

    role: Role
    user: str
    way: Way
    expires: float | None = None


@dataclass(frozen=True)
class Refusal:
    """Why not. ``message`` is one line for whoever asked: what is wrong and what to do, with
    nothing of what they sent. ``retry_after`` is in seconds."""

    reason: Reason
    message: str
    retry_after: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status that says so."""
        return _STATUS.get(self.reason, 401)


READ_ONLY = Refusal(Reason.READ_ONLY, "viewers may change nothing: ask an operator")
