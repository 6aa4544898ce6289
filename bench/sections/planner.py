"""Which planner settings pay for pg_dump's catalogue queries, by major and number of schemas."""

import statistics
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial

from agentarmy_ops.tenants.registry import Tenant
from bench.baselines import pg_dump
from bench.lab import Lab, say
from bench.measure import run, seconds
from bench.report import Row
from bench.section import Section

_SETTINGS = (
    "",
    "enable_mergejoin=off",
    "enable_hashjoin=off",
    "enable_nestloop=off",
    "jit=off",
    "enable_mergejoin=off jit=off",
)
_ENOUGH_TENANTS = 100
_TIMEOUT = 60.0
_ENOUGH = 10.0  # seconds spent on one setting after which it is not measured again
_DEFAULT = "default"


def measure(lab: Lab) -> Iterator[Row]:
    """One row per setting, for one tenant and for a batch."""
    tenants = lab.current.tenants
    if len(tenants) < _ENOUGH_TENANTS:
        return  # the catalogue is too small for plans to differ
    for batch in (tenants[-1:], tenants[: lab.size.batch]):
        say(f"  planner settings, pg_dump of {len(batch)} of {len(tenants)} tenants")
        medians = _medians(lab, batch)
        for setting, median in medians.items():
            default = medians[_DEFAULT]
            yield {
                "major": lab.major,
                "tenants": len(tenants),
                "in the dump": len(batch),
                "setting": setting,
                "pg_dump s": median if median is not None else f"over {_TIMEOUT:.0f}",
                "÷ default": median / default if median and default else None,
            }


def _medians(lab: Lab, batch: Sequence[Tenant]) -> dict[str, float | None]:
    command = pg_dump(lab, lab.current, batch, "--compress=0")
    taken: dict[str, list[float]] = {setting: [] for setting in _SETTINGS}
    late: set[str] = set()
    for round_ in range(1 + lab.size.repetitions):
        for setting in _SETTINGS[round_:] + _SETTINGS[:round_]:
            times = taken[setting]
            if setting in late or sum(times) > _ENOUGH or (not round_ and setting):
                continue  # the round before the first warms the cache, once for all settings
            options = " ".join(f"-c {one}" for one in setting.split())
            try:
                times.append(seconds(partial(_run, command, options)))
            except subprocess.TimeoutExpired:
                late.add(setting)
        if not round_:
            taken[""].clear()
    return {
        setting or _DEFAULT: statistics.median(times) if times and setting not in late else None
        for setting, times in taken.items()
    }


def _run(command: Sequence[str], options: str) -> None:
    run(command, environment={"PGOPTIONS": options}, timeout=_TIMEOUT)


SECTION = Section(
    name="planner",
    title="Planner settings and pg_dump",
    about=f"""\
Stock `pg_dump -Fc -Z0` of the last tenant, and of a batch, to `/dev/null`, with a setting passed in
`PGOPTIONS`; medians, settings taking turns. A setting that takes over {_TIMEOUT:.0f} s is given up.
This is why the engine sets what it sets for its own sessions.
""",
    measure=measure,
    per_step=True,
)
