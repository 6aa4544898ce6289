"""Call a blocking function beside the event loop, once for all who ask the same."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """``function`` in a thread of its own, one call after the other, each with the answer for all
    who asked for that key meanwhile. For one event loop.

    The thread is a daemon: a call that hangs does not keep the process from ending. ``at_end`` is
    the last that it calls.
    """

    def __init__(
        self, function: Callable[[Key], Result], at_end: Callable[[], None] = lambda: None
    ) -> None:
        self._function = function
        self._at_end = at_end
        self._under_way: dict[Key, asyncio.Future[Result]] = {}
        self._calls: SimpleQueue[tuple[Key, asyncio.Future[Result]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, key: Key) -> asyncio.Future[Result]:
        """The answer to come. It is shared: wait with ``asyncio.wait``, which does not cancel it
        when the one who waits is cancelled."""
        answer = self._under_way.get(key)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._under_way[key] = answer
            self._calls.put((key, answer))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="single-flight", daemon=True
                )
                self._thread.start()
        return answer

    def close(self) -> None:
        """Let the thread end after the calls asked for so far; a later one starts another."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            key, answer = call
            try:
                settle = partial(answer.set_result, self._function(key))
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
                settle = partial(answer.set_exception, error)
            with suppress(RuntimeError):  # the event loop is gone, and all who waited with it
                answer.get_loop().call_soon_threadsafe(self._settle, key, settle)
        self._at_end()

    def _settle(self, key: Key, settle: Callable[[], None]) -> None:
        answer = self._under_way.pop(key)
        settle()
        answer.exception()  # seen: asyncio complains of one that nobody waits for any more
