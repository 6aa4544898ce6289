"""A value that a thread reads again and again, so that who wants it never waits."""

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from agentarmy_ops.errors import OpsError

_T = TypeVar("_T")

# Time between readings per time of one: what is slow to read is not read all the time.
_REST = 4
_log = logging.getLogger(__name__)


class Background(Generic[_T]):
    """What ``read`` returned last. It is called in a thread every ``every_seconds``, or more
    seldom: after four times as long as it took. It is given an event that is set when it had
    better stop.

    ``current`` is None until it returned once; after that, a reading that fails leaves it as it
    was, and ``error`` says in one line why. ``what`` names it, for threads and logs.
    """

    def __init__(
        self, what: str, read: Callable[[threading.Event], _T], every_seconds: float
    ) -> None:
        self.current: _T | None = None
        self.error: str | None = None
        self._what, self._read, self._every = what, read, every_seconds
        self._watchers: list[Callable[[_T], None]] = []
        self._thread: threading.Thread | None = None
        self._reading = threading.Lock()
        self._first = threading.Event()
        self._stopping = threading.Event()

    def watch(self, watcher: Callable[[_T], None]) -> None:
        """Have each new value shown to ``watcher``, in the thread, before anybody sees it."""
        self._watchers.append(watcher)

    def start(self) -> None:
        """Begin to read. Once."""
        self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = 10) -> None:
        """End the thread; a reading that does not end in time is left behind."""
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout_seconds)

    def ready(self, timeout: float | None = None) -> bool:
        """Wait, at most so many seconds, until there is a value; whether there is."""
        return self._first.wait(timeout)

    def refresh_now(self) -> None:
        """Read in the caller's thread, after a reading that is under way. Never raises."""
        with self._reading:
            try:
                value = self._read(self._stopping)
                for watcher in self._watchers:
                    watcher(value)
            except OpsError as error:
                self._failed(str(error))
            except Exception as error:  # noqa: BLE001 - the next reading may succeed
                # Its text may be anything, and is shown to people.
                what = f"{type(error).__name__} while the {self._what} was read; see the log"
                self._failed(what, error)
            else:
                if self.error is not None:
                    _log.info("the %s can be read again", self._what)
                self.current, self.error = value, None
                self._first.set()

    def _failed(self, why: str, bug: Exception | None = None) -> None:
        """Noted, and logged once, not for each reading that fails alike."""
        if why != self.error and not self._stopping.is_set():
            _log.warning("cannot read the %s: %s", self._what, why, exc_info=bug)
        self.error = why

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = monotonic()
            self.refresh_now()
            self._stopping.wait(pause(self._every, monotonic() - started))


def pause(every_seconds: float, taken_seconds: float) -> float:
    """How long to wait after a reading that took so long."""
    return max(every_seconds, _REST * taken_seconds)
