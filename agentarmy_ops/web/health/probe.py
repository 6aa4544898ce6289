"""One check that answers in time, whatever it waits for."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from agentarmy_ops.errors import OpsError
from agentarmy_ops.text import one_line
from agentarmy_ops.web.health.causes import cause_of

logger = logging.getLogger(__name__)

# Raises what is wrong; returns when all is well. Runs in a thread.
Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check found: ``cause`` is None when all is well. ``latency`` is in seconds."""

    latency: float
    cause: str | None = None


class Probe:
    """Runs ``check`` in a thread of its own, never in two at a time.

    A check that hangs keeps its one thread, which is a daemon so that the process can end; until it
    comes back, every question is answered at once with how long it has been gone.
    """

    def __init__(self, name: str, check: Check, *, timeout: float) -> None:
        """``timeout`` in seconds is how long :meth:`answer` waits at most."""
        self.name = name
        self._check = check
        self._timeout = timeout
        self._running: asyncio.Future[Answer] | None = None
        self._started = 0.0
        self._healthy = True

    async def answer(self) -> Answer:
        """Ask now, or wait for the answer that is under way."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_future()
            self._started = time.monotonic()
            threading.Thread(
                target=self._run, args=(self._running,), name=f"health-{self.name}", daemon=True
            ).start()
        try:
            async with asyncio.timeout(self._started + self._timeout - time.monotonic()):
                return await asyncio.shield(self._running)
        except TimeoutError:
            gone = time.monotonic() - self._started
            return self._noted(Answer(gone, f"no answer for {gone:.0f} s"))

    def _run(self, future: "asyncio.Future[Answer]") -> None:
        started = time.monotonic()
        cause, whole = None, ""
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the check found
            cause = cause_of(error)
            # Others' messages may quote an address with its password.
            whole = f": {one_line(str(error))}" if isinstance(error, OpsError) else ""
        answer = Answer(time.monotonic() - started, cause)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            future.get_loop().call_soon_threadsafe(self._arrived, future, answer, whole)

    def _arrived(self, future: "asyncio.Future[Answer]", answer: Answer, whole: str) -> None:
        future.set_result(self._noted(answer, whole))

    def _noted(self, answer: Answer, whole: str = "") -> Answer:
        """Log changes, not every answer."""
        healthy = answer.cause is None
        if healthy != self._healthy:
            self._healthy = healthy
            if healthy:
                logger.info("health: %s is well again", self.name)
            else:
                logger.warning("health: %s: %s%s", self.name, answer.cause, whole)
        return answer
