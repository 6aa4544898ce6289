"""What is going on: metrics, errors and health, of our own software and of the application's.

The names below are the application's interface. Each is imported when it is first asked for, so
that a program pays only for what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentarmy_ops.observability.access_log import AccessLogMiddleware
    from agentarmy_ops.observability.context import (
        TenantContext,
        current_tenant,
        current_user_id,
        tenant_context,
        user_context,
    )
    from agentarmy_ops.observability.http_metrics import MetricsMiddleware
    from agentarmy_ops.observability.llm import LlmCall, track_llm_call
    from agentarmy_ops.observability.logs import configure_logging
    from agentarmy_ops.observability.request_id import RequestIdMiddleware, current_request_id
    from agentarmy_ops.observability.sentry import init_sentry
    from agentarmy_ops.observability.tenant_lookup import TenantLookup
    from agentarmy_ops.observability.tenant_middleware import TenantMiddleware

__all__ = [
    "AccessLogMiddleware",
    "LlmCall",
    "MetricsMiddleware",
    "RequestIdMiddleware",
    "TenantContext",
    "TenantLookup",
    "TenantMiddleware",
    "configure_logging",
    "current_request_id",
    "current_tenant",
    "current_user_id",
    "init_sentry",
    "tenant_context",
    "track_llm_call",
    "user_context",
]

_MODULES = {
    "AccessLogMiddleware": "access_log",
    "LlmCall": "llm",
    "MetricsMiddleware": "http_metrics",
    "RequestIdMiddleware": "request_id",
    "TenantContext": "context",
    "TenantLookup": "tenant_lookup",
    "TenantMiddleware": "tenant_middleware",
    "configure_logging": "logs",
    "current_request_id": "request_id",
    "current_tenant": "context",
    "current_user_id": "context",
    "init_sentry": "sentry",
    "tenant_context": "context",
    "track_llm_call": "llm",
    "user_context": "context",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
