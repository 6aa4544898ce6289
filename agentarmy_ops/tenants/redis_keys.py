"""The tenant's keys in Redis: the one that tells the application that it is ready is ours, all
others are the application's and go with the tenant."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import redis
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError, OpsError

_TIMEOUT = 5.0  # seconds, to connect and to answer
_BATCH = 1000  # keys


class RedisKeyError(OpsError):
    """Redis did not do what it was asked to; the tenant itself is as the message says."""


def initialized_key(tenant_id: UUID) -> str:
    """``t:{tenant_id}:initialized``."""
    return f"t:{tenant_id}:initialized"


def mark_initialized(redis_url: SecretStr, tenant_id: UUID) -> bool:
    """Set the tenant's key, unless it is set; returns whether it was missing.

    Raises:
        ConfigurationError: ``redis_url`` is not a Redis URL.
        RedisKeyError: Redis refuses or cannot be reached. Neither message shows the URL.
    """
    key = initialized_key(tenant_id)
    with _client(
        redis_url,
        f"tenant {tenant_id} is provisioned, but Redis at {{where}} did not take the key {key} "
        "({error}); check REDIS_URL and provision the tenant again",
    ) as client:
        return bool(client.set(key, "1", nx=True))


def unmark_initialized(redis_url: SecretStr, tenant_id: UUID) -> None:
    """Delete the tenant's key; no error when it is not set.

    Raises:
        ConfigurationError: ``redis_url`` is not a Redis URL.
        RedisKeyError: Redis refuses or cannot be reached. Neither message shows the URL.
    """
    key = initialized_key(tenant_id)
    with _client(
        redis_url,
        f"tenant {tenant_id} is disabled, but Redis at {{where}} did not delete the key {key} "
        "({error}); check REDIS_URL and do it again",
    ) as client:
        client.delete(key)


def count_keys(redis_url: SecretStr, tenant_id: UUID) -> int:
    """How many keys begin with ``t:{tenant_id}:``. Redis goes on answering others meanwhile.

    Raises:
        ConfigurationError: ``redis_url`` is not a Redis URL.
        RedisKeyError: Redis refuses or cannot be reached. Neither message shows the URL.
    """
    with _client(
        redis_url,
        f"the keys of tenant {tenant_id} in Redis at {{where}} cannot be read ({{error}}); check "
        "REDIS_URL and try again",
    ) as client:
        return len(_keys(client, tenant_id))


def delete_keys(redis_url: SecretStr, tenant_id: UUID) -> int:
    """Delete all keys that begin with ``t:{tenant_id}:``; returns how many.

    Raises:
        ConfigurationError: ``redis_url`` is not a Redis URL.
        RedisKeyError: Redis refuses or cannot be reached. Neither message shows the URL.
    """
    with _client(
        redis_url,
        f"not all keys of tenant {tenant_id} are deleted in Redis at {{where}} ({{error}}); check "
        "REDIS_URL and try again",
    ) as client:
        keys = sorted(_keys(client, tenant_id))
        for first in range(0, len(keys), _BATCH):
            client.unlink(*keys[first : first + _BATCH])
        return len(keys)


def _keys(client: "redis.Redis", tenant_id: UUID) -> set[bytes]:
    # SCAN may give a key twice.
    return set(client.scan_iter(match=f"t:{tenant_id}:*", count=_BATCH))


@contextmanager
def _client(redis_url: SecretStr, complaint: str) -> Iterator["redis.Redis"]:
    """A client; ``complaint`` is what to say, ``where`` and with what ``error``, when it fails."""
    try:
        client = redis.Redis.from_url(
            redis_url.get_secret_value(),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
        )
    except ValueError:
        # Its text may quote a piece of the URL, and with it the password.
        raise ConfigurationError(
            "REDIS_URL is not a Redis URL; write it as redis://:password@host:6379/0"
        ) from None
    try:
        with client:
            yield client
    except (redis.RedisError, OSError) as error:
        kwargs = client.connection_pool.connection_kwargs
        where = kwargs.get("host", kwargs.get("path", "localhost"))
        raise RedisKeyError(complaint.format(where=where, error=type(error).__name__)) from None
