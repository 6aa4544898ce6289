"""Which tenant the code at hand works for: in this process, and in a transaction.

The application imports this for its metrics; therefore it loads no database driver.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from agentarmy_ops.tenants.registry import Tenant


@dataclass(frozen=True)
class TenantContext:
    """What logs and metrics say about the tenant at hand."""

    tenant_id: UUID
    slug: str


_CONTEXT = "agentarmy_tenant"
_current: ContextVar[TenantContext | None] = ContextVar("agentarmy_ops_tenant", default=None)


@contextmanager
def tenant_context(tenant: "Tenant | TenantContext") -> Iterator[TenantContext]:
    """Work for ``tenant`` in this block; blocks may be nested."""
    context = tenant if isinstance(tenant, TenantContext) else TenantContext(tenant.id, tenant.slug)
    token = _current.set(context)
    try:
        yield context
    except Exception as error:
        note_context(error, _CONTEXT, context)
        raise
    finally:
        _current.reset(token)


def current_tenant() -> TenantContext | None:
    """The tenant of the innermost :func:`tenant_context`, or None outside of any.

    Threads start outside of any, but those that copy the context, such as ``asyncio.to_thread``
    and what Starlette and FastAPI run in their thread pool.
    """
    return _current.get()


def note_context(error: Exception, name: str, value: object) -> None:
    """Write on an exception for whom the code worked that raised it: who reports it is outside of
    the block. What an inner block wrote stays."""
    if not hasattr(error, name):
        with suppress(AttributeError):  # a class with slots
            setattr(error, name, value)


def tenant_of(error: BaseException) -> TenantContext | None:
    """The tenant whose block the exception left, or None."""
    found = getattr(error, _CONTEXT, None)
    return found if isinstance(found, TenantContext) else None


def set_tenant(connection: "psycopg.Connection[TupleRow]", tenant_id: UUID) -> None:
    """Show the tenant's rows, and no others, to the rest of this transaction.

    Raises:
        RuntimeError: autocommit without a transaction, where this would have no effect.
    """
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 - see above

    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        raise RuntimeError("set_tenant() lasts for one transaction: begin one first")
    connection.execute("SELECT set_config('app.current_tenant_id', %s, true)", [str(tenant_id)])
