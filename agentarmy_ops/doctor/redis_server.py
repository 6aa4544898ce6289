"""Redis, where one is set, answers."""

import redis
from pydantic import SecretStr

from agentarmy_ops.doctor.finding import Finding, fail, ok

CHECK = "redis"
_TIMEOUT = 5.0  # seconds


def check_redis(url: SecretStr | None) -> Finding:
    """Never shows the URL, which may hold a password."""
    if url is None:
        return ok(CHECK, "not used (REDIS_URL is not set)")
    try:
        with redis.Redis.from_url(
            url.get_secret_value(), socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        ) as client:
            client.ping()
    except ValueError:
        return fail(
            CHECK, "REDIS_URL is not a Redis URL", "write it as redis://:password@host:6379/0"
        )
    except (redis.RedisError, OSError) as error:
        return fail(
            CHECK,
            f"Redis does not answer ({type(error).__name__})",
            "check REDIS_URL and the server; until then no tenant can be provisioned",
        )
    return ok(CHECK, "answers")
