"""Work on many things in a few threads, and hand out what comes of each as it comes."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

from agentarmy_ops.backups.stopping import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Ended:
    """A thread ended, by an exception or because there is nothing left to do."""

    error: BaseException | None


class _Crew(Generic[Item, Result]):
    """Threads that take items and give results."""

    def __init__(
        self,
        items: Iterable[Item],
        work: Callable[[Item], Generator[Result, None, None]],
        stop: Stop,
    ) -> None:
        self._items = iter(items)
        self._next = Lock()
        self._work = work
        self._stop = stop
        self.results: SimpleQueue[Result | _Ended] = SimpleQueue()

    def run(self) -> None:
        """Take items until there is none left or somebody asked to stop."""
        try:
            while self._take_one():
                pass
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            self.results.put(_Ended(error))
        else:
            self.results.put(_Ended(None))

    def _take_one(self) -> bool:
        with self._next:
            if self._stop.asked:
                return False
            try:
                item = next(self._items)
            except StopIteration:
                return False
        with closing(self._work(item)) as results:
            for result in results:
                self.results.put(result)
                if self._stop.asked:
                    return False
        return True


def in_threads(
    items: Iterable[Item],
    work: Callable[[Item], Generator[Result, None, None]],
    *,
    threads: int,
    stop: Stop,
) -> Iterator[Result]:
    """What the generator ``work`` yields for each of ``items``, as it is yielded, in any order.

    When the consumer ends early, or anything is raised, ``stop`` is asked to end what runs, and
    the threads are waited for.

    Raises:
        BaseException: whatever ``items`` or ``work`` raised.
    """
    crew = _Crew(items, work, stop)
    running = [Thread(target=crew.run, name=f"verify-{number}") for number in range(threads)]
    ended = 0
    try:
        for thread in running:
            thread.start()
        while ended < len(running):
            result = crew.results.get()
            if isinstance(result, _Ended):
                ended += 1
                if result.error is not None:
                    raise result.error
            else:
                yield result
    finally:
        stop()
        for thread in running:
            if thread.ident is not None:
                thread.join()
