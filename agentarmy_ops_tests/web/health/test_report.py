import asyncio
import threading

from agentarmy_ops.web.health.causes import NotWell
from agentarmy_ops.web.health.probe import Answer, Probe
from agentarmy_ops.web.health.report import Report, Reporter

WELL = Answer(0.0012)
ILL = Answer(0.5, "connection refused")


class Counting:
    """A check that counts how often it was made."""

    def __init__(self, meet: threading.Barrier | None = None) -> None:
        self.calls = 0
        self._meet = meet

    def __call__(self) -> None:
        self.calls += 1
        if self._meet:
            self._meet.wait(60)


def test_the_worst_that_counts_is_the_status() -> None:
    needed = frozenset({"a", "b"})
    assert Report({"a": WELL, "b": WELL, "c": WELL}).status(needed) == "ok"
    assert Report({"a": WELL, "b": WELL, "c": ILL}).status(needed) == "degraded"
    assert Report({"a": WELL, "b": ILL, "c": WELL}).status(needed) == "unavailable"
    assert Report({"a": WELL, "b": ILL, "c": ILL}).status(needed) == "unavailable"


def test_json_says_of_each_check_what_it_found() -> None:
    assert Report({"a": WELL, "c": ILL}).as_json(frozenset({"a"})) == {
        "status": "degraded",
        "checks": {
            "a": {"status": "ok", "needed": True, "latency_ms": 1.2},
            "c": {
                "status": "failed",
                "needed": False,
                "latency_ms": 500.0,
                "cause": "connection refused",
            },
        },
    }


def test_all_probes_are_asked_beside_each_other() -> None:
    meet = threading.Barrier(3)
    probes = [Probe(name, Counting(meet), timeout=60) for name in "abc"]
    report = asyncio.run(Reporter(probes).report())
    assert list(report.answers) == ["a", "b", "c"]
    assert all(answer.cause is None for answer in report.answers.values())


def test_who_asks_within_a_second_gets_the_same() -> None:
    check = Counting()
    now = 100.0
    reporter = Reporter([Probe("a", check, timeout=60)], clock=lambda: now)

    async def ask() -> list[Report]:
        nonlocal now
        first = await reporter.report()
        now = 100.99
        second = await reporter.report()
        now = 101.0
        return [first, second, await reporter.report()]

    first, second, third = asyncio.run(ask())
    assert first is second
    assert third is not first
    assert check.calls == 2


def test_a_crowd_is_one_question() -> None:
    check = Counting()
    reporter = Reporter([Probe("a", check, timeout=60)])

    async def crowd() -> None:
        await asyncio.gather(*(reporter.report() for _ in range(200)))

    asyncio.run(crowd())
    assert check.calls == 1


def test_one_who_goes_away_takes_the_answer_from_nobody() -> None:
    gate = threading.Event()

    def check() -> None:
        gate.wait(60)
        raise NotWell("found")

    reporter = Reporter([Probe("a", check, timeout=60)])

    async def ask() -> Report:
        first = asyncio.create_task(reporter.report())
        await asyncio.sleep(0)
        second = asyncio.create_task(reporter.report())
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        return await second

    assert asyncio.run(ask()).answers["a"].cause == "found"


def test_while_one_check_takes_long_the_others_are_not_made_again() -> None:
    gate = threading.Event()
    quick = Counting()
    made = threading.Event()

    def slow() -> None:
        made.set()
        gate.wait(60)

    quick_probe = Probe("quick", quick, timeout=60)
    reporter = Reporter([quick_probe, Probe("slow", slow, timeout=60)])

    async def ask_twice() -> list[Report]:
        first = asyncio.create_task(reporter.report())
        await asyncio.to_thread(made.wait, 60)
        await quick_probe.answer()  # the one under way, or one more
        before = quick.calls
        second = asyncio.create_task(reporter.report())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert quick.calls == before
        gate.set()
        return [await first, await second]

    first, second = asyncio.run(ask_twice())
    assert first is second
