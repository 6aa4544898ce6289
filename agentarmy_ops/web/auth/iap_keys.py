"""Google's public keys for Identity-Aware Proxy."""

import asyncio
from collections.abc import Callable

import jwt
from starlette.concurrency import run_in_threadpool

KEYS_URL = "https://www.gstatic.com/iap/verify/public_key-jwk"
"""Where they are (Google's page "Securing your app with signed headers")."""
FRESH = 3600.0
"""Seconds after which they are read again."""
STALE = 24 * 3600.0
"""Seconds that keys are good for while they cannot be read again."""
PAUSE = 10.0
"""Seconds between two readings, whatever keys assertions name: who sends made-up ones makes us
ask Google no more often, and a Google that does not answer holds us up no more often."""
TIMEOUT = 5.0


class KeysUnreachableError(Exception):
    """The keys could not be read, so that nothing can be said of an assertion."""


class IapKeys:
    """Keeps the keys, by their id."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds and never goes back."""
        # Its own caches forget good keys when they cannot be read again.
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT)
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._failed = False
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of this id, None where Google has none.

        Raises:
            KeysUnreachableError: nobody knows.
        """
        async with self._lock:
            if not self._has(key_id, FRESH) and self._clock() - self._tried_at >= PAUSE:
                await self._read()
            if self._has(key_id, STALE):
                return self._keys[key_id]
            if self._failed:
                raise KeysUnreachableError
            return None

    def _has(self, key_id: str, age: float) -> bool:
        return key_id in self._keys and self._clock() - self._read_at < age

    async def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            data = await run_in_threadpool(self._client.fetch_data)
            keys = jwt.PyJWKSet.from_dict(data).keys
        except (jwt.PyJWTError, OSError, ValueError):
            self._failed = True
            return
        self._failed = False
        self._read_at = self._clock()
        self._keys = {key.key_id: key for key in keys if key.key_id}
