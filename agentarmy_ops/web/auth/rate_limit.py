"""How often a client may be wrong."""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

FAILURES_OF_ONE = 10
"""Failures in a row that one client may have."""
FAILURES_OF_ALL = 300
"""The same for all clients together."""
MINUTE = 60.0
"""Seconds after which so many failures are forgotten."""
CLIENTS = 4096
"""Clients remembered; beyond that the one heard of longest ago is forgotten."""

_Value = TypeVar("_Value")


@dataclass
class _Bucket:
    """It leaks: full at ``size`` failures, empty again after a minute."""

    size: int
    level: float = 0.0
    at: float = 0.0

    def leak(self, now: float) -> float:
        self.level = max(0.0, self.level - (now - self.at) * self.size / MINUTE)
        self.at = now
        return self.level

    def wait(self, now: float) -> float:
        """Seconds until one more fits."""
        return max(0.0, self.leak(now) + 1 - self.size) * MINUTE / self.size

    def pour(self, now: float) -> None:
        self.level = self.leak(now) + 1


def client_of(address: str | None) -> str:
    """Whom failures are put down to: an IPv4 address, or the network of 64 bits that one
    customer of an IPv6 provider has."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
        ip = ip.ipv4_mapped
    return str(ip)


class RateLimit:
    """Refuses a client that was wrong too often, and strangers when all together were.

    Failures of others do not lock out a client that was right before: else anybody could keep
    operators, and Prometheus, out. Memory is bounded, whatever is sent.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds and never goes back."""
        self._clock = clock
        self._all = _Bucket(FAILURES_OF_ALL)
        self._wrong: OrderedDict[str, _Bucket] = OrderedDict()
        self._right: OrderedDict[str, None] = OrderedDict()

    def wait(self, client: str) -> int:
        """Whole seconds until the client may try again; 0: now."""
        now = self._clock()
        own = self._wrong.get(client)
        wait = own.wait(now) if own else 0.0
        if client not in self._right:
            wait = max(wait, self._all.wait(now))
        return math.ceil(wait)

    def was_wrong(self, client: str) -> None:
        """One more failure."""
        now = self._clock()
        self._all.pour(now)
        self._wrong.setdefault(client, _Bucket(FAILURES_OF_ONE, at=now)).pour(now)
        _trim(self._wrong, client)

    def was_right(self, client: str) -> None:
        """The client gave what lets it in."""
        self._right[client] = None
        _trim(self._right, client)


def _trim(known: OrderedDict[str, _Value], newest: str) -> None:
    known.move_to_end(newest)
    while len(known) > CLIENTS:
        known.popitem(last=False)
