"""Against a real server of the Redis protocol."""

import socket
import uuid
from collections.abc import Callable

import pytest
import redis
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.tenants.redis_keys import (
    RedisKeyError,
    count_keys,
    delete_keys,
    mark_initialized,
    unmark_initialized,
)

TENANT = uuid.UUID("11111111-2222-3333-4444-555555555555")


@pytest.fixture
def tenant() -> uuid.UUID:
    """Whose keys are in no Redis yet."""
    return uuid.uuid4()


def test_the_key_is_set_once(redis_server: str, tenant: uuid.UUID) -> None:
    assert mark_initialized(SecretStr(redis_server), tenant)
    assert not mark_initialized(SecretStr(redis_server), tenant)
    with redis.Redis.from_url(redis_server) as client:
        assert client.keys(f"*{tenant}*") == [f"t:{tenant}:initialized".encode()]
        assert client.ttl(f"t:{tenant}:initialized") == -1


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and not listening
        url = f"redis://user:hunter2@127.0.0.1:{unused.getsockname()[1]}/0"
        with pytest.raises(RedisKeyError) as caught:
            mark_initialized(SecretStr(url), TENANT)
    message = str(caught.value)
    assert message.startswith(f"tenant {TENANT} is provisioned, but Redis at 127.0.0.1 did not")
    assert "ConnectionError" in message
    assert "hunter2" not in message
    assert "\n" not in message


@pytest.mark.parametrize("url", ["http://:hunter2@x", "hunter2", "redis://x:hunter2/0"])
def test_what_is_no_redis_url_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL is not a Redis URL") as caught:
        mark_initialized(SecretStr(url), TENANT)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_all_keys_of_a_tenant_go_and_no_others(redis_server: str, tenant: uuid.UUID) -> None:
    url = SecretStr(redis_server)
    others = {f"t:{uuid.uuid4()}:1", f"x:t:{tenant}:1", f"t:{tenant}"}
    with redis.Redis.from_url(redis_server) as client:
        client.mset({f"t:{tenant}:{number}": "x" for number in range(2500)})
        client.mset(dict.fromkeys(others, "x"))
        assert count_keys(url, tenant) == 2500
        assert delete_keys(url, tenant) == 2500
        assert (count_keys(url, tenant), delete_keys(url, tenant)) == (0, 0)
        assert client.exists(*others) == 3


def test_the_key_is_taken_back_once(redis_server: str, tenant: uuid.UUID) -> None:
    url = SecretStr(redis_server)
    mark_initialized(url, tenant)
    with redis.Redis.from_url(redis_server) as client:
        client.set(f"t:{tenant}:session", "x")
        for _ in range(2):
            unmark_initialized(url, tenant)
            assert client.keys(f"t:{tenant}:*") == [f"t:{tenant}:session".encode()]


@pytest.mark.parametrize("act", [unmark_initialized, count_keys, delete_keys])
def test_a_server_that_is_not_there_for_what_is_to_go(
    act: Callable[[SecretStr, uuid.UUID], object],
) -> None:
    url = SecretStr("redis://user:hunter2@127.0.0.1:9/0")
    with pytest.raises(RedisKeyError, match=r"in Redis at 127|but Redis at 127") as caught:
        act(url, TENANT)
    assert "hunter2" not in str(caught.value)
    assert "(ConnectionError)" in str(caught.value)
