"""The SDK of Sentry, where this process has started it; nothing here imports it."""

import sys
from types import ModuleType


def active_sdk() -> ModuleType | None:
    """``sentry_sdk`` where it was started in this process, else None."""
    sdk = sys.modules.get("sentry_sdk")
    return sdk if sdk is not None and sdk.is_initialized() else None


def tag_trace(**tags: str) -> None:
    """Tag the trace of the request at hand, where it is traced. A trace is sent when the whole
    application is done with the request, outside of all blocks that know tenant and user."""
    sdk = active_sdk()
    transaction = sdk.get_current_scope().transaction if sdk else None
    if transaction is not None:
        for name, value in tags.items():
            transaction.set_tag(name, value)
