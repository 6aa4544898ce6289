"""Errors and traces to Sentry, without a secret in them.

Without a DSN nothing is done, and ``sentry_sdk`` is not even imported.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr
from starlette.types import ASGIApp

from agentarmy_ops import __version__
from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.observability.context import whose
from agentarmy_ops.observability.known_secrets import known_secrets
from agentarmy_ops.observability.secret_text import SecretText
from agentarmy_ops.observability.sentry_scrub import EventScrubber
from agentarmy_ops.observability.sentry_sdk import active_sdk
from agentarmy_ops.observability.skip import is_skipped
from agentarmy_ops.settings import Environment, Settings

if TYPE_CHECKING:
    from sentry_sdk._types import Event, Hint
    from sentry_sdk.integrations import Integration

# Share of traces where none is given.
TRACES: Mapping[str, float] = {Environment.STAGING: 1.0, Environment.PRODUCTION: 0.1}
UNTRACED = ("/health", "/metrics")
# How long a process that ends waits for what was not sent yet.
SHUTDOWN_SECONDS = 5
# A whole fleet may fail within seconds, and the SDK drops what does not fit.
_QUEUE = 2000
_BREADCRUMBS = 30


def init_sentry(
    dsn: str | SecretStr | None,
    environment: str,
    *,
    service: str,
    release: str | None = None,
    traces_sample_rate: float | None = None,
    known_secrets: Iterable[str] = (),
    **options: Any,
) -> bool:
    """Start sending errors and traces of this process; whether there is a DSN to send them to.

    For any process: nothing is read but the arguments. Events carry the tags ``service``, and
    ``tenant_id``, ``tenant_slug`` and the user's id where there are any. Secrets are taken out
    by their shape and by the names of their fields; ``known_secrets`` wherever they are.
    ``traces_sample_rate`` is 1 in staging, 0.1 in production and 0 elsewhere where it is not
    given. ``options`` are further ones of ``sentry_sdk.init``, but none that would let more out.

    Raises:
        ConfigurationError: the DSN is not one; the message does not show it.
    """
    dsn = dsn.get_secret_value() if isinstance(dsn, SecretStr) else dsn
    if not dsn:
        return False
    check_dsn(dsn)
    # Loaded here: a process without Sentry does without its seventh of a second.
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.integrations.argv import ArgvIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.modules import ModulesIntegration  # noqa: PLC0415

    rate = TRACES.get(environment, 0.0)
    if traces_sample_rate is not None:
        rate = traces_sample_rate
    scrubber = EventScrubber(SecretText([dsn, *known_secrets]))
    defaults: dict[str, Any] = {
        "max_breadcrumbs": _BREADCRUMBS,
        "transport_queue_size": _QUEUE,
        "shutdown_timeout": SHUTDOWN_SECONDS,
        "auto_session_tracking": False,
        # Whom we call need not know our release and environment.
        "trace_propagation_targets": [],
    }
    sentry_sdk.init(
        **{
            **defaults,
            **options,
            "dsn": dsn,
            "environment": environment,
            "release": release,
            "traces_sampler": _sampler(rate) if rate else None,
            "before_send": _sender(scrubber),
            "before_send_transaction": _sender(scrubber),
            "before_breadcrumb": lambda crumb, _hint: scrubber.value(crumb),
            "before_send_log": lambda log, _hint: scrubber.value(log),
            "include_local_variables": False,
            "max_request_body_size": "never",
            "spotlight": False,
            "disabled_integrations": [
                ArgvIntegration,
                ModulesIntegration,
                *options.get("disabled_integrations", ()),
            ],
            # Not send_default_pii=False, which is the default and warns when it is said.
        }
    )
    sentry_sdk.get_global_scope().set_tag("service", service)
    return True


def start_sentry(settings: Settings, service: str) -> bool:
    """:func:`init_sentry` for a process of our own, as the settings say. Only what is captured on
    purpose and what nobody catches becomes an event; a line in a log does not.

    Raises:
        ConfigurationError: ``SENTRY_DSN`` is not a DSN.
    """
    if settings.sentry_dsn is None:
        return False
    check_dsn(settings.sentry_dsn.get_secret_value())
    from sentry_sdk.integrations.stdlib import StdlibIntegration  # noqa: PLC0415

    return init_sentry(
        settings.sentry_dsn,
        settings.environment.value,
        service=service,
        release=f"agentarmy-ops@{__version__}",
        traces_sample_rate=settings.sentry_traces_sample_rate,
        known_secrets=known_secrets(settings),
        integrations=_integrations(service),
        auto_enabling_integrations=False,
        # It would sit between us and pg_dump.
        disabled_integrations=[StdlibIntegration],
    )


def watched(app: ASGIApp) -> ASGIApp:
    """The whole of an application, layers around it included, seen by Sentry where it was started
    in this process; what Starlette is watched by sees nothing of those."""
    if active_sdk() is None:
        return app
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware  # noqa: PLC0415

    return cast("ASGIApp", SentryAsgiMiddleware(cast("Any", app)))


def check_dsn(dsn: str) -> None:
    """See that it is a DSN, by its form alone.

    Raises:
        ConfigurationError: it is not.
    """
    from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415

    try:
        Dsn(dsn)
    except (BadDsn, ValueError):
        raise ConfigurationError(
            "SENTRY_DSN is not a DSN of Sentry; copy it from the project's settings there "
            "(https://KEY@HOST/PROJECT)"
        ) from None


def _sender(scrubber: EventScrubber) -> "Callable[[Event, Hint], Event]":
    """What every event passes on its way out."""

    def send(event: "Event", hint: "Hint") -> "Event":
        exc_info = hint.get("exc_info")
        tenant, user_id = whose(exc_info[1] if exc_info else None)
        tags = event.setdefault("tags", {})
        if tenant and isinstance(tags, dict):
            tags.setdefault("tenant_id", str(tenant.tenant_id))
            tags.setdefault("tenant_slug", tenant.slug)
        # Of a person nothing but the id, which a trace has as a tag.
        found = user_id or (event.get("user") or {}).get("id") or tags.pop("user_id", None)
        event["user"] = {"id": str(found)} if found else {}
        return cast("Event", scrubber.event(cast("Mapping[str, Any]", event)))

    return send


def _sampler(rate: float) -> Callable[[Mapping[str, Any]], float]:
    def sample(context: Mapping[str, Any]) -> float:
        scope = context.get("asgi_scope")
        if scope and is_skipped(scope, UNTRACED):
            return 0.0
        # A trace that began in another service is whole or not at all.
        parent = context.get("parent_sampled")
        return rate if parent is None else float(parent)

    return sample


def _integrations(service: str) -> "list[Integration]":
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.starlette import StarletteIntegration  # noqa: PLC0415

    return [
        AtexitIntegration(callback=lambda _pending, _timeout: None),
        LoggingIntegration(level=logging.INFO, event_level=None),
        *([StarletteIntegration()] if service == "gateway" else []),
    ]
