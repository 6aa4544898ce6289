"""Run sections over the labs; what fails is noted, and the rest goes on."""

import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from bench.lab import Lab, say
from bench.machine import commit
from bench.results import ROOT, Part, Results, save
from bench.section import Section

_LONGEST = 300


class Runner:
    """Measures sections and adds what they say to the results, which are saved each time."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._parts: dict[tuple[str, int], Part] = {}
        self.errors: list[str] = []

    def run(self, labs: Sequence[Lab], sections: Sequence[Section]) -> None:
        """All sections: those per step for each major and step, the others once."""
        for lab in labs:
            if own := [section for section in sections if section.per_step]:
                self._grow(lab, own)
        for section in sections:
            if not section.per_step:
                self._measure(section, labs[0])

    def _grow(self, lab: Lab, sections: Iterable[Section]) -> None:
        for tenants in lab.size.steps[lab.major]:
            if not self._tried(f"fleet of {tenants}", partial(lab.grow, tenants)):
                return
            for section in sections:
                self._measure(section, lab)

    def _measure(self, section: Section, lab: Lab) -> None:
        say(f"{section.name}, PostgreSQL {lab.major}")
        key = (section.name, lab.major)
        if key not in self._parts:
            self._parts[key] = Part(
                section=section.name,
                major=lab.major,
                measured_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
                commit=commit(ROOT),
                seconds=0,
                load=os.getloadavg()[0],
            )
        part = self._parts[key]
        started = monotonic()

        def measure() -> None:
            for row in section.measure(lab):
                part.rows.append(dict(row))

        before = len(self.errors)
        if not self._tried(f"{section.name} on PostgreSQL {lab.major}", measure):
            part.error = self.errors[before]
        part.seconds += monotonic() - started
        self._results.add(part)
        save(self._results)

    def _tried(self, what: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other sections go on
            where = traceback.extract_tb(error.__traceback__)[-1]
            line = " ".join(str(error).split())[:_LONGEST] or "no message"
            place = f"{where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
            self.errors.append(f"{what}: {type(error).__name__}: {line} ({place})")
            say(f"FAILED {self.errors[-1]}")
            return False
        return True
