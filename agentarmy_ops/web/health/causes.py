"""Why a check failed, in words that anybody may read: no address, no name, no secret."""

from agentarmy_ops.errors import OpsError


class NotWell(Exception):  # noqa: N818 - a finding, no failure of the check
    """What a check found; its text is shown as it is."""


# What a message contains, in lower case: what is shown. The first that fits counts.
_SHOWN = {
    "user code server": "its server does not answer",
    "connection refused": "connection refused",
    "is the server running": "connection refused",
    "timeout": "no answer in time",
    "timed out": "no answer in time",
    "translate host name": "unknown host",
    "name or service not known": "unknown host",
    "name resolution": "unknown host",
    "authentication failed": "login refused",
    "no password supplied": "login refused",
    "pg_hba.conf": "login refused",
    "not permitted to log in": "login refused",
    "noauth": "login refused",
    "wrongpass": "login refused",
    "too many clients": "no connection left",
    "too many connections": "no connection left",
    "connection slots": "no connection left",
    "starting up": "starting up",
    "shutting down": "shutting down",
    "not yet accepting connections": "starting up",
    "does not exist": "not there",
    "no such file": "not there",
    "permission denied": "access denied",
    "forbidden": "access denied",
    "closed the connection": "connection lost",
    "connection closed": "connection lost",
    "connection reset": "connection lost",
}


def cause_of(error: BaseException) -> str:
    """A few words; the log has the whole."""
    if isinstance(error, NotWell):
        return str(error)
    text = _with_its_causes(error).lower()
    for part, shown in _SHOWN.items():
        if part in text:
            return shown
    return "failed" if isinstance(error, OpsError) else f"failed ({type(error).__name__})"


def _with_its_causes(error: BaseException) -> str:
    """Its text, and that of the errors it came from: Dagster says last that it gave up trying."""
    texts = []
    each: BaseException | None = error
    while each is not None:
        texts.append(str(each))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(texts)
