import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from agentarmy_ops.errors import StoreError
from agentarmy_ops.web.health.causes import NotWell
from agentarmy_ops.web.health.probe import Answer, Probe


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opens at the end, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


class Hanging:
    """A check that comes back when the gate opens."""

    def __init__(self, gate: threading.Event) -> None:
        self._gate = gate
        self.calls = 0
        self.finished = threading.Event()

    def __call__(self) -> None:
        self.calls += 1
        self._gate.wait()
        self.finished.set()


def test_a_check_that_returns_is_well() -> None:
    answer = asyncio.run(Probe("x", lambda: None, timeout=60).answer())
    assert answer.cause is None
    assert 0 <= answer.latency < 60


def test_what_a_check_raises_is_the_cause() -> None:
    def check() -> None:
        raise NotWell("the folder has gone")

    answer = asyncio.run(Probe("x", check, timeout=60).answer())
    assert answer.cause == "the folder has gone"


def test_a_check_that_hangs_is_given_up_and_never_asked_twice(gate: threading.Event) -> None:
    check = Hanging(gate)
    probe = Probe("x", check, timeout=0.05)

    async def ask_twice() -> list[Answer]:
        return [await probe.answer(), await probe.answer()]

    first, second = asyncio.run(ask_twice())
    assert first.cause == "no answer for 0 s"
    assert second.latency >= first.latency >= 0.05
    assert second.cause
    assert check.calls == 1


def test_later_questions_do_not_wait_for_a_check_that_hangs(gate: threading.Event) -> None:
    probe = Probe("x", Hanging(gate), timeout=0.2)

    async def second_answer() -> float:
        await probe.answer()
        loop = asyncio.get_running_loop()
        asked = loop.time()
        await probe.answer()
        return loop.time() - asked

    assert asyncio.run(second_answer()) < 0.2


def test_a_check_that_came_back_is_asked_again(gate: threading.Event) -> None:
    check = Hanging(gate)
    probe = Probe("x", check, timeout=0.05)

    async def until_it_is_well() -> Answer:
        await probe.answer()
        gate.set()
        answer = await probe.answer()
        while answer.cause is not None:
            answer = await probe.answer()
        return answer

    assert asyncio.run(asyncio.wait_for(until_it_is_well(), 60)).cause is None
    assert check.calls <= 2


def test_two_who_ask_at_once_get_one_answer(gate: threading.Event) -> None:
    check = Hanging(gate)
    probe = Probe("x", check, timeout=60)

    async def both() -> tuple[Answer, Answer]:
        asked = asyncio.gather(probe.answer(), probe.answer())
        await asyncio.sleep(0)
        gate.set()
        return await asked

    first, second = asyncio.run(both())
    assert first == second
    assert check.calls == 1


def test_who_asked_may_go_away(gate: threading.Event) -> None:
    probe = Probe("x", Hanging(gate), timeout=60)

    async def leave_and_come_again() -> Answer:
        gone = asyncio.create_task(probe.answer())
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        gate.set()
        return await probe.answer()

    assert asyncio.run(leave_and_come_again()).cause is None


def test_a_loop_that_ended_is_nobodys_trouble(gate: threading.Event) -> None:
    check = Hanging(gate)
    asyncio.run(Probe("x", check, timeout=0.01).answer())
    gate.set()
    # An exception in the thread would be a warning, and warnings are errors here.
    assert check.finished.wait(60)


def test_a_thread_that_hangs_does_not_hold_the_process(gate: threading.Event) -> None:
    probe = Probe("hangs", Hanging(gate), timeout=0.01)
    asyncio.run(probe.answer())
    (thread,) = [each for each in threading.enumerate() if each.name == "health-hangs"]
    assert thread.daemon


def test_changes_are_logged_once_and_whole(caplog: pytest.LogCaptureFixture) -> None:
    problems: list[Exception | None] = [
        None,
        StoreError("cannot list /backups: Permission denied"),
        StoreError("cannot list /backups: Permission denied"),
        None,
    ]

    def check() -> None:
        problem = problems.pop(0)
        if problem:
            raise problem

    probe = Probe("backup_store", check, timeout=60)

    async def ask_four_times() -> None:
        for _ in range(4):
            await probe.answer()

    with caplog.at_level(logging.INFO, logger="agentarmy_ops.web.health"):
        asyncio.run(ask_four_times())
    assert [record.getMessage() for record in caplog.records] == [
        "health: backup_store: access denied: cannot list /backups: Permission denied",
        "health: backup_store is well again",
    ]


def test_others_messages_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def check() -> None:
        raise ValueError("redis://:secret@host")

    asyncio.run(Probe("redis", check, timeout=60).answer())
    assert "secret" not in caplog.text
    assert "failed (ValueError)" in caplog.text
