"""What is known from one look to the next, as a short text."""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from agentarmy_ops.observability.health.changes import Seen
from agentarmy_ops.observability.health.problem import Check, Key

_FORMAT = "health-1:"


@dataclass(frozen=True)
class Memory:
    """``checked_at`` is the Unix time of the last look that found something out, be it good or
    bad. ``left_at`` is the tenant, by slug, at which it ran out of time."""

    checked_at: int | None = None
    seen: Mapping[Key, Seen] = field(default_factory=dict)
    left_at: str | None = None

    def encode(self) -> str:
        """About 20 bytes for each problem."""
        rows = [(*key, *state) for key, state in self.seen.items()]
        text = json.dumps([self.checked_at, self.left_at, rows], separators=(",", ":"))
        return _FORMAT + base64.b85encode(zlib.compress(text.encode())).decode()


def decode(text: str | None) -> Memory | None:
    """What :meth:`Memory.encode` wrote; None where it did not, or not all of it is there."""
    if not text or not text.startswith(_FORMAT):
        return None
    try:
        packed = base64.b85decode(text.removeprefix(_FORMAT))
        checked_at, left_at, rows = json.loads(zlib.decompress(packed))
        seen = {
            Key(Check(check), tenant_id): Seen(since, raised)
            for check, tenant_id, since, raised in rows
        }
    except (ValueError, TypeError, zlib.error):
        return None
    return Memory(checked_at, seen, left_at)
