"""The key that tells the application, through Redis, that a tenant is ready."""

from uuid import UUID

import redis
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError, OpsError

_TIMEOUT = 5.0  # seconds, to connect and to answer


class RedisKeyError(OpsError):
    """Redis did not take the key; the tenant itself is provisioned."""


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
            return bool(client.set(key, "1", nx=True))
    except (redis.RedisError, OSError) as error:
        where = client.connection_pool.connection_kwargs
        raise RedisKeyError(
            f"tenant {tenant_id} is provisioned, but Redis at "
            f"{where.get('host', where.get('path', 'localhost'))} did not take the key {key} "
            f"({type(error).__name__}); check REDIS_URL and provision the tenant again"
        ) from None
