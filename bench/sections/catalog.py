"""How long a listing of all backups takes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops_tests.gcs.bucket import Bucket
from agentarmy_ops_tests.gcs.server import Server
from bench.lab import Lab, say
from bench.measure import PeakMemory, alternating
from bench.report import Row
from bench.section import Section
from bench.sizes import MB

_ROOT = Path(__file__).parents[2]
_FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
_COMMANDS = (
    ("backups", "list", "--all"),
    ("backups", "list", "--all", "--json"),
    ("backups", "list", "tenant-0000", "--json"),
)


def measure(lab: Lab) -> Iterator[Row]:
    """One row per store and command."""
    tenants, each = lab.size.catalog
    say(f"  catalog: {tenants} tenants with {each} backups each")
    names = list(_names(tenants, each))
    folder = lab.folder / "catalog"
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"-")
    for row in _listed(lab, {"BACKUP_STORE_URL": folder.as_uri()}):
        yield {"store": "folder", "backups": tenants * each + each, **row}
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bucket = server.state.buckets["bench"] = Bucket("bench")
        for name in names:
            bucket.put(name, b"-")
        emulated = {"BACKUP_STORE_URL": "gs://bench", "STORAGE_EMULATOR_HOST": server.url}
        for row in _listed(lab, emulated):
            yield {"store": "GCS emulator", "backups": tenants * each + each, **row}
        server.shutdown()


def _names(tenants: int, each: int) -> Iterator[str]:
    """The objects of backups as listings see them: an archive, a manifest and a verdict."""
    for owner in (*(f"tenant-{number:04d}" for number in range(tenants)), None):
        for number in range(each):
            begun = _FIRST + timedelta(days=number)
            ref = BackupRef(owner, new_id(begun))
            yield ref.archive
            yield ref.manifest
            yield ref.verification(new_id(begun), "verified")


def _listed(lab: Lab, variables: Mapping[str, str]) -> Iterator[Row]:
    taken = alternating(
        {" ".join(command): partial(_run, variables, command) for command in _COMMANDS},
        lab.size.repetitions,
    )
    for command in _COMMANDS:
        child = _start(variables, command)
        with PeakMemory(child.pid) as memory:
            output, _ = child.communicate()
        listed = json.loads(output)["backups"] if "--json" in command else output.splitlines()[1:]
        yield {
            "command": " ".join(command),
            "listed": len(listed),
            "seconds (median)": taken[" ".join(command)],
            "peak MB": memory.tree / MB,
        }


def _run(variables: Mapping[str, str], command: Sequence[str]) -> None:
    child = _start(variables, command)
    child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} failed; see above")


def _start(variables: Mapping[str, str], command: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "agentarmy_ops.cli", *command],
        env={**os.environ, "PYTHONPATH": str(_ROOT), **variables},
        stdout=subprocess.PIPE,
    )


SECTION = Section(
    name="catalog",
    title="Listing all backups",
    about="""\
Many tenants' backups, and as many of the platform part as of each tenant; an archive, a manifest
and a verdict each. Wall time of a command in a fresh process, start and imports included; listing
one tenant shows what those take. The emulator answers at once, but with the processor time of one
Python process, and shares the machine; the real service answers later, and as many listings at
once as are asked for.
""",
    measure=measure,
)
