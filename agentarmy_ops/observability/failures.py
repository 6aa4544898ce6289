"""What failed, for Sentry: one event each, grouped by what was the cause."""

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from agentarmy_ops.observability.sentry_sdk import active_sdk

FLUSH_SECONDS = 5.0

_VARIABLE = tuple(
    (re.compile(pattern, re.I), name)
    for pattern, name in (
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
        (r"\b\d{8}T\d{6}Z(?:-[0-9a-f]+)?\b", "<id>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", "<time>"),
        (r"\btenant_\w+", "<schema>"),
        (r"\b(?=[a-f]*\d)[0-9a-f]{6,}\b", "<n>"),
        (r"\d+", "<n>"),
    )
)


def root_cause(error: BaseException) -> BaseException:
    """The first of a chain of exceptions, as a traceback would show it."""
    seen = {id(error)}
    while True:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            return error
        error = cause
        seen.add(id(error))


def without_variables(message: str, slug: str | None = None) -> str:
    """The message without what differs from tenant to tenant and from time to time: the tenant's
    slug and schema, ids, times, numbers."""
    if slug:
        message = re.sub(rf"(?<![\w-]){re.escape(slug)}(?![\w-])", "<tenant>", message)
    for pattern, name in _VARIABLE:
        message = pattern.sub(name, message)
    return message


def capture(
    cause: BaseException | str,
    *,
    kind: str,
    tags: Mapping[str, str | None],
    slug: str | None = None,
    event_id: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> bool:
    """Send one event about a failure; whether Sentry is there to be told. Never raises.

    ``cause`` is the exception, or a message where there is none, whose ``kind`` then stands in
    place of a class. The event is grouped by class and message of the root cause, whoever the
    tenant is. Sentry keeps one event of an ``event_id`` (32 hexadecimal digits). ``context``
    is shown beside it.
    """
    sdk = active_sdk()
    if sdk is None:
        return False
    try:
        event = _event(sdk, cause, kind)
        root = root_cause(cause) if isinstance(cause, BaseException) else cause
        name = type(root).__name__ if isinstance(root, BaseException) else kind
        event["fingerprint"] = [name, without_variables(str(root), slug)]
        event["tags"] = {"tenant_slug": slug, **tags}
        event["tags"] = {key: value for key, value in event["tags"].items() if value}
        if context:
            event["contexts"] = {**event.get("contexts", {}), "failure": dict(context)}
        if event_id:
            event["event_id"] = event_id
        # Without the exception as a hint: the SDK drops one that it has just seen, and tenants
        # may have failed with the same.
        sdk.capture_event(event)
    except Exception:  # noqa: BLE001 - whatever it is, the work matters more
        return False
    return True


def flush() -> None:
    """Wait until all is sent, but not for long: before a process ends."""
    if sdk := active_sdk():
        sdk.flush(timeout=FLUSH_SECONDS)


def _event(sdk: ModuleType, cause: BaseException | str, kind: str) -> dict[str, Any]:
    mechanism = {"type": "agentarmy_ops", "handled": True}
    if isinstance(cause, BaseException):
        options = sdk.get_client().options
        event, _ = sdk.utils.event_from_exception(cause, options, mechanism)
        return dict(event)
    values = [{"type": kind, "value": cause, "mechanism": mechanism}]
    return {"level": "error", "exception": {"values": values}}
