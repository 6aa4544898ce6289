"""Whom the code at hand works for: the tenant, and the user.

Context variables: each task and each request has its own. ``asyncio.create_task``,
``asyncio.to_thread`` and the thread pools of Starlette and FastAPI take them along;
``loop.run_in_executor`` and ``threading.Thread`` do not, unless they run
``contextvars.copy_context().run``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agentarmy_ops.tenants.context import TenantContext, current_tenant, tenant_context

__all__ = ["TenantContext", "current_tenant", "current_user_id", "tenant_context", "user_context"]

_user_id: ContextVar[str | None] = ContextVar("agentarmy_ops_user", default=None)


@contextmanager
def user_context(user_id: str) -> Iterator[str]:
    """Work for this user in this block; blocks may be nested.

    ``user_id`` goes into logs and to Sentry: an id that says nothing of the person, where there
    is one.
    """
    token = _user_id.set(user_id)
    try:
        yield user_id
    finally:
        _user_id.reset(token)


def current_user_id() -> str | None:
    """The user of the innermost :func:`user_context`, or None outside of any."""
    return _user_id.get()
