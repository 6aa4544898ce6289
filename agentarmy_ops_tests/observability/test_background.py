"""A value that a thread reads: there when it can be, kept when it cannot, and never waited for."""

import logging
import threading

import pytest

from agentarmy_ops.errors import StoreError
from agentarmy_ops.observability.background import Background, pause

LONG = 30  # seconds: what is awaited comes at once, or the test is lost


class Source:
    """What is read: each reading gives the next number, or fails as it is told to."""

    def __init__(self) -> None:
        self.readings = 0
        self.fails_with: Exception | None = None
        self.read_thrice = threading.Event()

    def read(self, _: threading.Event) -> int:
        self.readings += 1
        if self.readings == 3:
            self.read_thrice.set()
        if self.fails_with:
            raise self.fails_with
        return self.readings


def test_it_is_read_again_and_again() -> None:
    source = Source()
    number = Background("number", source.read, 0.001)
    assert (number.current, number.error, number.ready(0)) == (None, None, False)
    number.start()
    assert number.ready(LONG)
    assert source.read_thrice.wait(LONG)
    number.stop()
    assert number.current == source.readings


def test_it_is_read_no_more_often_than_asked() -> None:
    source = Source()
    number = Background("number", source.read, 3600)
    number.start()
    assert number.ready(LONG)
    number.refresh_now()
    assert (source.readings, number.current) == (2, 2)
    number.stop()
    assert source.readings == 2


@pytest.mark.parametrize(("taken", "paused"), [(0.5, 60), (15, 60), (15.5, 62), (100, 400)])
def test_what_is_slow_to_read_is_read_more_seldom(taken: float, paused: float) -> None:
    assert pause(60, taken) == paused


def test_a_failure_leaves_what_was_read_before(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    number = Background("number", source.read, 3600)
    source.fails_with = StoreError("the store is gone; bring it back")
    number.refresh_now()
    assert (number.current, number.error) == (None, "the store is gone; bring it back")
    assert not number.ready(0)
    source.fails_with = None
    number.refresh_now()
    assert (number.current, number.error) == (2, None)
    assert number.ready(0)
    source.fails_with = StoreError("gone again")
    number.refresh_now()
    assert (number.current, number.error) == (2, "gone again")
    assert "cannot read the number: gone again" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_failure_that_lasts_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source = Source()
    number = Background("number", source.read, 3600)
    for failure in (StoreError("gone"), StoreError("gone"), StoreError("far away"), None, None):
        source.fails_with = failure
        number.refresh_now()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "cannot read the number: gone"),
        ("WARNING", "cannot read the number: far away"),
        ("INFO", "the number can be read again"),
    ]


def test_a_bug_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    number = Background("number", source.read, 0.001)
    source.fails_with = ValueError("whatever it holds")
    number.start()
    assert source.read_thrice.wait(LONG)
    assert number.error == "ValueError while the number was read; see the log"
    assert "Traceback" in caplog.text
    source.fails_with = None
    assert number.ready(LONG)
    number.stop()
    assert number.error is None


def test_watchers_see_a_value_before_anybody_else() -> None:
    source = Source()
    number = Background("number", source.read, 3600)
    seen: list[tuple[int, int | None, bool]] = []
    number.watch(lambda value: seen.append((value, number.current, number.ready(0))))
    number.refresh_now()
    number.refresh_now()
    assert seen == [(1, None, False), (2, 1, True)]


def test_a_value_that_a_watcher_cannot_take_is_nobodys() -> None:
    number = Background("number", Source().read, 3600)
    number.watch(lambda value: [][value])
    number.refresh_now()
    assert number.current is None
    assert number.error is not None
    assert "IndexError" in number.error


def test_one_reading_at_a_time() -> None:
    reading, at_once, most = threading.Semaphore(0), 0, 0

    def read(_: threading.Event) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        reading.release()
        # Whoever else comes is seen by the time this one has let others run.
        threading.Event().wait(0.01)
        at_once -= 1
        return most

    number = Background("number", read, 3600)
    threads = [threading.Thread(target=number.refresh_now) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert number.current == 1


def test_it_stops_in_the_middle_of_a_reading(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    begun = threading.Event()

    def read(stopping: threading.Event) -> int:
        begun.set()
        assert stopping.wait(LONG)
        raise StoreError("given up")

    number = Background("number", read, 3600)
    number.start()
    assert begun.wait(LONG)
    number.stop()
    assert not any(thread.name == "number" for thread in threading.enumerate())
    assert caplog.text == ""


def test_what_does_not_stop_is_left_behind() -> None:
    begun, released = threading.Event(), threading.Event()

    def read(_: threading.Event) -> int:
        begun.set()
        assert released.wait(LONG)
        return 1

    number = Background("number", read, 3600)
    number.start()
    assert begun.wait(LONG)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "number")
    number.stop(timeout_seconds=0)
    assert thread.is_alive()
    assert thread.daemon  # the program's end does not wait for it
    released.set()
    thread.join(LONG)
    assert not thread.is_alive()
