"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil
import zstandard

from agentarmy_ops.postgres.tools import find_tools


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = (
        re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.M)
        if (cpuinfo.exists())
        else None
    )
    return found.group(1) if found else platform.processor() or platform.machine()


def _filesystem(folder: Path) -> str:
    holding = [
        part
        for part in psutil.disk_partitions(all=True)
        if folder.resolve().is_relative_to(part.mountpoint)
    ]
    return max(holding, key=lambda part: len(part.mountpoint)).fstype if holding else "unknown"


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "none"


def machine_facts(home: Path, majors: Iterable[int]) -> dict[str, str]:
    """Facts that do not change from run to run on one machine."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "CPU": f"{len(os.sched_getaffinity(0))} cores, {_cpu_model()}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _filesystem(home),
        "PostgreSQL": ", ".join(find_tools(major).version for major in sorted(majors)),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "zstd program": _first_line("zstd", "--version").strip("* "),
        "zstandard (library)": ".".join(str(part) for part in zstandard.ZSTD_VERSION),
    }


def commit(root: Path) -> str:
    """The commit that is measured, ``+`` when the work tree differs from it."""
    here = ("git", "-C", str(root))
    name = _first_line(*here, "rev-parse", "--short", "HEAD")
    changed = _first_line(*here, "status", "--porcelain", "--", "agentarmy_ops", "bench")
    return name if changed == "none" else f"{name}+"
