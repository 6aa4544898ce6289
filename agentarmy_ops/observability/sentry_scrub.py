"""What leaves for Sentry: an event without secrets, request bodies, variables and arguments."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agentarmy_ops.observability.secret_text import (
    FILTERED,
    SecretText,
    hide_literals,
    is_secret_name,
)

# Sentry refuses events of more than a megabyte.
LARGEST_EVENT_BYTES = 200_000
_DEEPEST = 24
_PAIR = 2
# What is left out, from the largest to the least dispensable, of an event that is too large.
_DISPENSABLE = ("breadcrumbs", "modules", "extra", "threads", "spans", "request")
_HARMLESS = ("event_id", "timestamp", "level", "platform")
# Of a request: how it came in is enough.
_NEVER_OF_REQUEST = ("data", "cookies", "env")


class EventScrubber:
    """Takes secrets out of events, transactions, breadcrumbs and log records."""

    def __init__(self, text: SecretText) -> None:
        self._text = text

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event without secrets, and small enough. Never raises: of an event that cannot be
        read nothing but its id and kind is left, for a half-read one may hold anything."""
        try:
            return _bounded(self._event(event))
        except Exception as error:  # noqa: BLE001 - whatever: it must not leave as it is
            left = {key: event[key] for key in _HARMLESS if key in event}
            return {**left, "message": f"an event that could not be read: {type(error).__name__}"}

    def value(self, value: Any, depth: int = 0) -> Any:
        """A JSON-like value without secrets; what is no JSON is shown as text."""
        if value is None or isinstance(value, bool | int | float | datetime):
            return value
        if isinstance(value, str):
            return self._text(value)
        if depth > _DEEPEST:
            return FILTERED
        if isinstance(value, Mapping):
            return {
                self._text(str(name)): FILTERED
                if is_secret_name(str(name)) and item is not None
                else self.value(item, depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return self._items(value, depth)
        return self._text(
            value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        )

    def _items(self, items: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        """A list, which may be of arguments, or a pair of a header's name and its value."""
        scrubbed: list[Any] = []
        hide = False
        for item in items:
            scrubbed.append(FILTERED if hide else self.value(item, depth + 1))
            hide = isinstance(item, str) and is_secret_name(item) and _names_next(item, items)
        return scrubbed

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        scrubbed: dict[str, Any] = self.value(_without_bodies(event))
        for span in scrubbed.get("spans") or ():
            if str(span.get("op", "")).startswith("db"):
                span["description"] = hide_literals(str(span.get("description", "")))
        crumbs = scrubbed.get("breadcrumbs")
        for crumb in (crumbs.get("values") if isinstance(crumbs, dict) else crumbs) or ():
            if isinstance(crumb, dict) and crumb.get("category") == "query":
                crumb["message"] = hide_literals(str(crumb.get("message", "")))
        return scrubbed


def _names_next(item: str, items: list[Any] | tuple[Any, ...]) -> bool:
    """Whether the item after this one, whose name tells of a secret, is that secret."""
    return item.startswith("-") or (len(items) == _PAIR and item is items[0])


def _without_bodies(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event without what is never sent at all."""
    copy = dict(event)
    request = copy.get("request")
    if isinstance(request, Mapping):
        copy["request"] = {k: v for k, v in request.items() if k not in _NEVER_OF_REQUEST}
    for name in ("exception", "threads"):
        if isinstance(copy.get(name), Mapping):
            copy[name] = _without_variables(copy[name])
    if "stacktrace" in copy:
        copy["stacktrace"] = _without_variables(copy["stacktrace"])
    return copy


def _without_variables(value: Any) -> Any:
    """Stack traces without the values of variables."""
    if isinstance(value, Mapping):
        return {k: _without_variables(v) for k, v in value.items() if k != "vars"}
    if isinstance(value, list):
        return [_without_variables(item) for item in value]
    return value


def _bounded(event: dict[str, Any]) -> dict[str, Any]:
    for name in _DISPENSABLE:
        if len(json.dumps(event, default=str)) <= LARGEST_EVENT_BYTES:
            break
        if name in event:
            event = {key: value for key, value in event.items() if key != name}
    return event
