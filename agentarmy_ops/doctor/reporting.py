"""Whom failures are reported to: by the form of the addresses alone, for a check tells nobody."""

from collections.abc import Iterator

from agentarmy_ops.doctor.finding import Finding, ok
from agentarmy_ops.observability.notify import Notifier
from agentarmy_ops.observability.sentry import check_dsn
from agentarmy_ops.settings import Settings

SENTRY = "sentry"
NOTIFICATIONS = "notifications"


def check_sentry(settings: Settings) -> Iterator[Finding]:
    """Never shows the DSN.

    Raises:
        ConfigurationError: ``SENTRY_DSN`` is not a DSN.
    """
    if settings.sentry_dsn is None:
        yield ok(SENTRY, "not used (SENTRY_DSN is not set)")
        return
    check_dsn(settings.sentry_dsn.get_secret_value())
    yield ok(SENTRY, "SENTRY_DSN is a DSN; nothing was sent")


def check_notifications(settings: Settings) -> Iterator[Finding]:
    """Never shows an address.

    Raises:
        ConfigurationError: an address of ``NOTIFY_URLS`` is none.
    """
    notifier = Notifier.from_settings(settings)
    if not notifier:
        yield ok(NOTIFICATIONS, "not used (NOTIFY_URLS is not set)")
        return
    notifier.check()
    yield ok(NOTIFICATIONS, f"{len(notifier)} addresses; nothing was sent")
