import pytest

from agentarmy_ops.web.auth.rate_limit import (
    CLIENTS,
    FAILURES_OF_ALL,
    FAILURES_OF_ONE,
    MINUTE,
    RateLimit,
    client_of,
)
from agentarmy_ops_tests.clock import Clock


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    return RateLimit(clock)


def test_one_client_waits_and_others_do_not(limit: RateLimit, clock: Clock) -> None:
    for _ in range(FAILURES_OF_ONE):
        assert limit.wait("a") == 0
        limit.was_wrong("a")
    assert limit.wait("a") == MINUTE / FAILURES_OF_ONE
    assert limit.wait("b") == 0
    clock.now += MINUTE / FAILURES_OF_ONE - 1
    assert limit.wait("a") == 1
    clock.now += 1
    assert limit.wait("a") == 0
    limit.was_wrong("a")
    assert limit.wait("a") == MINUTE / FAILURES_OF_ONE
    clock.now += MINUTE
    for _ in range(FAILURES_OF_ONE):
        assert limit.wait("a") == 0
        limit.was_wrong("a")
    assert limit.wait("a") > 0


def test_being_right_once_takes_no_failure_back(limit: RateLimit) -> None:
    for _ in range(FAILURES_OF_ONE):
        limit.was_wrong("a")
    limit.was_right("a")
    assert limit.wait("a") > 0


def test_strangers_wait_when_all_together_were_wrong(limit: RateLimit, clock: Clock) -> None:
    limit.was_right("known")
    for number in range(FAILURES_OF_ALL):
        assert limit.wait("stranger") == 0
        limit.was_wrong(str(number))
    assert limit.wait("stranger") == 1
    assert limit.wait("known") == 0
    clock.now += 1
    assert limit.wait("stranger") == 0


def test_a_longer_wait_is_the_one_that_counts(limit: RateLimit) -> None:
    for _ in range(FAILURES_OF_ONE):
        limit.was_wrong("a")
    for number in range(FAILURES_OF_ALL):
        limit.was_wrong(str(number))
    assert limit.wait("a") == MINUTE / FAILURES_OF_ONE


def test_memory_is_bounded(limit: RateLimit) -> None:
    for number in range(CLIENTS + 100):
        limit.was_wrong(str(number))
        limit.was_right(str(number))
    assert len(limit._wrong) == len(limit._right) == CLIENTS
    assert "0" not in limit._wrong
    assert str(CLIENTS + 99) in limit._wrong


def test_whoever_goes_on_is_not_forgotten(limit: RateLimit) -> None:
    for number in range(CLIENTS + FAILURES_OF_ONE * 2):
        if number % (CLIENTS // FAILURES_OF_ONE) == 0:
            limit.was_wrong("a")
        limit.was_wrong(str(number))
    assert "a" in limit._wrong


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("testclient", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_clients(address: str | None, client: str) -> None:
    assert client_of(address) == client
