"""Where the processor time of a backup of the whole fleet goes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from agentarmy_ops.stores.base import ObjectWriter
from bench.lab import Lab, back_up, say
from bench.measure import seconds
from bench.report import Row
from bench.section import Section

_ENOUGH_TENANTS = 1000


class _Forgetful:
    """A store that keeps nothing, to see what keeping costs."""

    @contextmanager
    def create(self, _: str) -> Iterator[ObjectWriter]:
        """Take an object's bytes and forget them."""
        yield _Nowhere()


class _Nowhere:
    def write(self, data: bytes | memoryview, /) -> int:
        return len(data)


def measure(lab: Lab) -> Iterator[Row]:
    """One row with the store the fleet is measured with, one with a store that keeps nothing."""
    tenants = lab.current.tenants
    if len(tenants) < _ENOUGH_TENANTS:
        return
    say(f"  profile, {len(tenants)} tenants")
    stores: dict[str, Any] = {
        "folder": lab.store(f"profile-{len(tenants)}"),
        "none": _Forgetful(),
    }
    for name, store in stores.items():
        yield {
            "major": lab.major,
            "tenants": len(tenants),
            "store": name,
            **_times(lab, lambda store=store: back_up(lab.current, store, tenants)),  # type: ignore[misc]
        }


def _times(lab: Lab, work: Callable[[], object]) -> Row:
    pidfile = lab.home / f"live-{lab.major}" / "postmaster.pid"
    postmaster = psutil.Process(int(pidfile.read_text().splitlines()[0]))
    own, server = os.times(), _server_seconds(postmaster)
    wall = seconds(work)
    now = os.times()
    parts = {
        "engine, user": now.user - own.user,
        "engine, system": now.system - own.system,
        "pg_dump": now.children_user
        + now.children_system
        - own.children_user
        - own.children_system,
        "server": _server_seconds(postmaster) - server,
    }
    cores = len(os.sched_getaffinity(0))
    used = sum(parts.values())
    return {
        "wall s": wall,
        **{f"{name}, CPU s": value for name, value in parts.items()},
        "cores in use": used / wall,
        "of": cores,
    }


def _server_seconds(postmaster: psutil.Process) -> float:
    """Processor time of a server: of its processes, and of those that have ended."""
    total = 0.0
    for process in (postmaster, *postmaster.children()):
        times = process.cpu_times()
        total += times.user + times.system
        if process == postmaster:
            total += times.children_user + times.children_system
    return total


SECTION = Section(
    name="profile",
    title="Where the time of a fleet goes",
    about=f"""\
`back_up_tenants` over all tenants, from {_ENOUGH_TENANTS:,} on, with the processor seconds of each
process: once into a folder, as above, and once into a store that keeps nothing. Where as many cores
are in use as there are, only less work makes it faster.
""",
    measure=measure,
    per_step=True,
)
