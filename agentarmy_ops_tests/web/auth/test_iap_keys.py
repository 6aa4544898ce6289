"""Google's keys: read seldom, and kept while they cannot be read."""

import asyncio
from collections.abc import Iterator

import pytest

from agentarmy_ops.web.auth.iap_keys import FRESH, PAUSE, STALE, IapKeys, KeysUnreachableError
from agentarmy_ops_tests.clock import Clock
from agentarmy_ops_tests.web.google import Google, google, new_key


@pytest.fixture
def published() -> Iterator[Google]:
    with google() as published:
        yield published


def test_read_once_an_hour(published: Google, clock: Clock) -> None:
    async def body() -> None:
        keys = IapKeys(published.url, clock)
        found = await asyncio.gather(*(keys.key("one") for _ in range(20)))
        assert [key.key_id if key else None for key in found] == ["one"] * 20
        assert published.asked == 1
        clock.now += FRESH - 1
        assert await keys.key("one")
        assert published.asked == 1
        clock.now += 1
        assert await keys.key("one")
        assert published.asked == 2

    asyncio.run(body())


def test_a_new_key_is_found_soon_and_an_old_one_forgotten(published: Google, clock: Clock) -> None:
    async def body() -> None:
        keys = IapKeys(published.url, clock)
        assert await keys.key("one")
        del published.keys["one"]
        published.keys["two"] = new_key()
        assert await keys.key("two") is None
        clock.now += PAUSE - 1
        assert await keys.key("two") is None
        clock.now += 1
        assert await keys.key("two")
        assert await keys.key("one") is None
        assert published.asked == 2

    asyncio.run(body())


def test_keys_that_cannot_be_read_again_are_good_for_a_day(published: Google, clock: Clock) -> None:
    async def body() -> None:
        keys = IapKeys(published.url, clock)
        assert await keys.key("one")
        published.fault = 500
        for clock.now in (1000 + FRESH, 1000 + STALE - 1):
            assert await keys.key("one")
            with pytest.raises(KeysUnreachableError):
                await keys.key("two")
        assert published.asked == 3
        clock.now += 1
        with pytest.raises(KeysUnreachableError):
            await keys.key("one")
        published.fault = None
        clock.now += PAUSE
        assert await keys.key("one")
        assert await keys.key("two") is None

    asyncio.run(body())


def test_keys_out_of_reach_are_not_asked_for_with_every_request(
    published: Google, clock: Clock
) -> None:
    async def body() -> None:
        published.fault = 503
        keys = IapKeys(published.url, clock)
        for _ in range(10):
            with pytest.raises(KeysUnreachableError):
                await keys.key("one")
        assert published.asked == 1
        clock.now += PAUSE
        published.fault = None
        assert await keys.key("one")

    asyncio.run(body())
