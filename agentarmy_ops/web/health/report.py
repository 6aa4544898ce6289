"""What all checks found at one moment; asked for by many, made for one."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentarmy_ops.web.health.probe import Answer, Probe

# For how long an answer is given again, in seconds: probes of any number are no load.
KEPT_SECONDS = 1.0

OK = "ok"
DEGRADED = "degraded"
UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Report:
    """The answers by check."""

    answers: Mapping[str, Answer]

    def status(self, needed: frozenset[str]) -> str:
        """``unavailable`` when a check of ``needed`` failed, ``degraded`` when any other did, else
        ``ok``."""
        failed = {name for name, each in self.answers.items() if each.cause is not None}
        if failed & needed:
            return UNAVAILABLE
        return DEGRADED if failed else OK

    def as_json(self, needed: frozenset[str]) -> dict[str, Any]:
        """``status`` and, by check, ``status``, ``needed``, ``latency_ms`` and, where it failed,
        ``cause``."""
        checks: dict[str, Any] = {}
        for name, answer in self.answers.items():
            checks[name] = {
                "status": "ok" if answer.cause is None else "failed",
                "needed": name in needed,
                "latency_ms": round(answer.latency * 1000, 1),
            }
            if answer.cause is not None:
                checks[name]["cause"] = answer.cause
        return {"status": self.status(needed), "checks": checks}


class Reporter:
    """Asks all probes at once, for everybody who asks meanwhile and until a second later."""

    def __init__(
        self, probes: Sequence[Probe], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` tells seconds."""
        self._probes = probes
        self._clock = clock
        self._last: Report | None = None
        self._kept_until = 0.0
        self._asking: asyncio.Task[Report] | None = None

    async def report(self) -> Report:
        """At most :data:`KEPT_SECONDS` old, and there at the latest when the slowest probe gives
        up."""
        if self._last is not None and self._clock() < self._kept_until:
            return self._last
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        # Whoever asks may go away; the others still want the answer.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Report:
        try:
            answers = await asyncio.gather(*(probe.answer() for probe in self._probes))
            names = [probe.name for probe in self._probes]
            self._last = Report(dict(zip(names, answers, strict=True)))
            self._kept_until = self._clock() + KEPT_SECONDS
            return self._last
        finally:
            self._asking = None
