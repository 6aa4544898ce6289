"""End work that runs in other threads, whatever it waits for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from agentarmy_ops.errors import BackupError


class Stop:
    """Asked once, ends everything that was registered with it: processes, queries."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._endings: list[Callable[[], object]] = []
        self.asked = False

    @contextmanager
    def ends(self, ending: Callable[[], object]) -> Iterator[None]:
        """Call ``ending``, from whatever thread, if asked to stop during this block.

        Raises:
            BackupError: asked already.
        """
        with self._lock:
            if self.asked:
                raise BackupError("it was stopped")
            self._endings.append(ending)
        try:
            yield
        finally:
            with self._lock:
                self._endings.remove(ending)

    def __call__(self) -> None:
        """Stop."""
        with self._lock:
            self.asked = True
            for ending in self._endings:
                with suppress(Exception):  # it may have ended by itself, in any way
                    ending()
