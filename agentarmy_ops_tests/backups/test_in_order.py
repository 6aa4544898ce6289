"""Work of many items: several at once, answers in order, and no more in memory than need be."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agentarmy_ops.backups.in_order import THREADS, in_order, threads_for
from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops.stores.local import LocalStore

TIMEOUT = 60  # seconds; of tests that hang


def test_several_at_once() -> None:
    together = threading.Barrier(THREADS)

    def work(item: int) -> int:
        together.wait(TIMEOUT)
        return item

    assert list(in_order(range(THREADS), work)) == list(range(THREADS))


def test_a_store_far_away_is_asked_by_more_threads(tmp_path: Path) -> None:
    assert threads_for(GcsStore("bucket")) == THREADS
    assert threads_for(LocalStore(tmp_path)) < THREADS


def test_in_the_order_of_the_items_whoever_is_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(TIMEOUT)
        if item == 1:
            second_is_done.set()
        return item

    assert list(in_order(range(100), work)) == list(range(100))


def test_items_are_taken_as_their_turn_comes() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            yield taken
            taken += 1

    results = in_order(endless(), str)
    for number in range(1000):
        assert next(results) == str(number)
        assert taken <= number + 3 * THREADS
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_in_its_turn_and_what_has_not_begun_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []
    ending = threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def watched(pool: ThreadPoolExecutor, **keywords: Any) -> None:
        shutdown(pool, **{**keywords, "wait": False})
        ending.set()
        shutdown(pool)

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ValueError("one")
        if item > 1:
            assert ending.wait(TIMEOUT)
        return item

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", watched)
    before = threading.active_count()
    results = in_order(range(100), work, threads=2)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert max(begun) <= 3
    assert threading.active_count() == before
