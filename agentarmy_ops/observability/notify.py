"""Tell people: chat, e-mail, webhooks, by the Apprise URLs of ``NOTIFY_URLS``.

Who reports many things at once sends one message about all of them: see :func:`summary`.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.observability.known_secrets import known_secrets
from agentarmy_ops.observability.secret_text import SecretText
from agentarmy_ops.settings import Settings
from agentarmy_ops.text import one_line

if TYPE_CHECKING:
    from apprise import Apprise

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 15.0
SHOWN = 10
# Chats cut long texts, each elsewhere.
_LONGEST_BODY = 3000


class Severity(StrEnum):
    """How a message is shown: its colour or its sign, where the service has any."""

    INFO = "info"
    RECOVERED = "success"
    WARNING = "warning"
    FAILURE = "failure"


class Notifier:
    """Sends messages to all of some addresses; with none, it does nothing.

    The addresses are secrets: no log line and no exception shows one.
    """

    def __init__(
        self,
        urls: Sequence[str] = (),
        *,
        gateway_url: str | None = None,
        environment: str | None = None,
        known_secrets: Iterable[str] = (),
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """``urls`` are Apprise URLs. ``gateway_url`` is where links lead, ``environment`` is named
        in titles, ``timeout_seconds`` is how long :meth:`send` may take. ``known_secrets`` are
        taken out of messages, wherever they are."""
        self._urls = tuple(urls)
        self._gateway_url = gateway_url.rstrip("/") if gateway_url else None
        self._environment = environment
        self._timeout_seconds = timeout_seconds
        self._without_secrets = SecretText(known_secrets)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """As ``NOTIFY_URLS`` and ``GATEWAY_URL`` say."""
        urls = settings.notify_urls.get_secret_value().split() if settings.notify_urls else ()
        return cls(
            urls,
            gateway_url=settings.gateway_url,
            environment=settings.environment,
            known_secrets=known_secrets(settings),
        )

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._urls)

    def __len__(self) -> int:
        """How many addresses there are."""
        return len(self._urls)

    def check(self) -> None:
        """See that each address is one, without telling anybody anything.

        Raises:
            ConfigurationError: one is not; it is named by its place.
        """
        for place, url in enumerate(self._urls, start=1):
            if _open(url) is None:
                raise ConfigurationError(
                    f"NOTIFY_URLS: address {place} of {len(self._urls)} is not an Apprise URL; "
                    "write it as in docs/sentry.md, and separate addresses by spaces"
                )

    def send(self, title: str, body: str, severity: Severity = Severity.FAILURE) -> bool:
        """Send one message to all addresses at once, without secrets; whether all took it within
        the time.

        Never raises. An address that fails or hangs is logged by its place, and left behind.
        """
        if not self._urls:
            return True
        title = one_line(f"[{self._environment}] {title}" if self._environment else title)
        title, body = self._without_secrets(title), self._without_secrets(body)
        if len(body) > _LONGEST_BODY:
            body = f"{body[: _LONGEST_BODY - 1]}…"
        taken = [False] * len(self._urls)

        def deliver(place: int) -> None:
            try:
                taken[place] = _deliver(self._urls[place], title, body, severity)
            except Exception as error:  # noqa: BLE001 - of whatever library the address needs
                # Not its text, which may hold the address.
                logger.debug("notification %d: %s", place + 1, type(error).__name__)

        # Daemons: a process that ends does not wait for a server that hangs.
        threads = [
            threading.Thread(target=deliver, args=[place], name="notify", daemon=True)
            for place in range(len(self._urls))
        ]
        deadline = monotonic() + self._timeout_seconds
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
        failed = [str(place) for place, ok in enumerate(taken, start=1) if not ok]
        if failed:
            logger.error(
                "NOTIFY_URLS: address %s of %d did not take the message %r",
                ", ".join(failed),
                len(self._urls),
                title,
            )
        return not failed

    def run_link(self, run_id: str) -> str | None:
        """Where the gateway shows a run; None without ``GATEWAY_URL``."""
        return self._link("runs", run_id)

    def tenant_link(self, slug: str) -> str | None:
        """Where the gateway shows a tenant; None without ``GATEWAY_URL``."""
        return self._link("fleet", slug)

    def fleet_link(self) -> str | None:
        """Where the gateway shows all tenants; None without ``GATEWAY_URL``."""
        return self._link("fleet")

    def _link(self, *path: str) -> str | None:
        if self._gateway_url is None:
            return None
        return "/".join([self._gateway_url, *(quote(part, safe="") for part in path)])


def summary(lines: Sequence[str], shown: int = SHOWN) -> str:
    """The first of many lines, and how many more there are."""
    more = len(lines) - shown
    return "\n".join([*lines[:shown], *([f"and {more} more"] if more > 0 else [])])


def _open(url: str) -> "Apprise | None":
    """What sends to the address, or None where it is none."""
    # Loaded here: it takes an eighth of a second, which only who has addresses pays.
    import apprise  # noqa: PLC0415

    # It logs what it cannot parse and whom it cannot reach, with the address.
    apprise.logger.setLevel(logging.CRITICAL + 1)
    opened = apprise.Apprise()
    return opened if opened.add(url) else None


def _deliver(url: str, title: str, body: str, severity: Severity) -> bool:
    from apprise import NotifyFormat, NotifyType  # noqa: PLC0415

    opened = _open(url)
    return opened is not None and bool(
        opened.notify(
            body, title, notify_type=NotifyType(severity.value), body_format=NotifyFormat.TEXT
        )
    )
