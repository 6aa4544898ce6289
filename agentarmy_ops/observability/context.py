"""Whom the code at hand works for: the tenant, and the user.

Context variables: each task and each request has its own. ``asyncio.create_task``,
``asyncio.to_thread`` and the thread pools of Starlette and FastAPI take them along;
``loop.run_in_executor`` and ``threading.Thread`` do not, unless they run
``contextvars.copy_context().run``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agentarmy_ops.observability.sentry_sdk import tag_trace
from agentarmy_ops.tenants.context import (
    TenantContext,
    current_tenant,
    note_context,
    tenant_context,
    tenant_of,
)

__all__ = [
    "TenantContext",
    "current_tenant",
    "current_user_id",
    "tenant_context",
    "user_context",
    "whose",
]

_USER_ID = "agentarmy_user_id"
_user_id: ContextVar[str | None] = ContextVar("agentarmy_ops_user", default=None)


@contextmanager
def user_context(user_id: str) -> Iterator[str]:
    """Work for this user in this block; blocks may be nested.

    ``user_id`` goes into logs and to Sentry: an id that says nothing of the person, where there
    is one.
    """
    tag_trace(user_id=user_id)
    token = _user_id.set(user_id)
    try:
        yield user_id
    except Exception as error:
        note_context(error, _USER_ID, user_id)
        raise
    finally:
        _user_id.reset(token)


def current_user_id() -> str | None:
    """The user of the innermost :func:`user_context`, or None outside of any."""
    return _user_id.get()


def whose(error: BaseException | None) -> tuple[TenantContext | None, str | None]:
    """For which tenant and which user the code works, or worked when it raised ``error``."""
    if error is None:
        return current_tenant(), current_user_id()
    user_id = getattr(error, _USER_ID, None)
    return tenant_of(error) or current_tenant(), user_id or current_user_id()
