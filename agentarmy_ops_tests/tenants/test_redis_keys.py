"""Against a real server of the Redis protocol."""

import socket
import uuid

import pytest
import redis
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.tenants.redis_keys import RedisKeyError, mark_initialized

TENANT = uuid.UUID("11111111-2222-3333-4444-555555555555")


def test_the_key_is_set_once(redis_server: str) -> None:
    assert mark_initialized(SecretStr(redis_server), TENANT)
    assert not mark_initialized(SecretStr(redis_server), TENANT)
    with redis.Redis.from_url(redis_server) as client:
        assert client.keys() == [b"t:11111111-2222-3333-4444-555555555555:initialized"]
        assert client.ttl(client.keys()[0]) == -1


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
