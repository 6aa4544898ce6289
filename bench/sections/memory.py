"""How much memory a backup takes, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.fleets import Fleet
from bench.lab import Lab, say
from bench.measure import PeakMemory
from bench.report import Row
from bench.section import Section
from bench.sizes import MB

_ROOT = Path(__file__).parents[2]


def measure(lab: Lab) -> Iterator[Row]:
    """One row per subject: tenants of several sizes, and a batch of small ones."""
    for copy_bytes in lab.size.memory_bytes:
        fleet = lab.large(copy_bytes)
        yield _peak(lab, fleet, f"one tenant of {copy_bytes / MB:,.0f} MB", 1)
    fleet = lab.fleet or lab.grow(min(lab.size.batch, max(lab.size.steps[lab.major])))
    batch = min(lab.size.batch, len(fleet.tenants))
    yield _peak(lab, fleet, f"a batch of {batch} tenants", batch)


def _peak(lab: Lab, fleet: Fleet, subject: str, count: int) -> Row:
    say(f"  memory: {subject}")
    store = lab.folder / f"memory-{subject.replace(' ', '-')}"
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.back_up_once", fleet.database.dsn, str(store), str(count)],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with PeakMemory(child.pid) as memory:
        output, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"the backup of {subject} failed; see above")
    before, peak, plain = (int(number) for number in output.split())
    dump = memory.by_program.get("pg_dump", 0)
    return {
        "major": lab.major,
        "subject": subject,
        "plain MB": plain / MB,
        "before it MB": before / MB,
        "engine peak MB": peak / MB,
        "pg_dump peak MB": dump / MB,
        "all processes peak MB": memory.tree / MB,
    }


SECTION = Section(
    name="memory",
    title="Memory",
    about="""\
Each backup runs in a fresh process. *Before it* is that process with everything imported and
connected to nothing; *engine peak* is the most it ever had (resident, as the kernel noted it);
*pg_dump* is the largest single one; *all processes* is their sum at one moment (proportional set
size, sampled ten times a second). The server is left out.
""",
    measure=measure,
)
