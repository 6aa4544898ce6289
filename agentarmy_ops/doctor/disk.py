"""Room on the disks where backups are kept and scratch databases are made."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from agentarmy_ops.doctor.finding import Finding, fail, ok, warn

DISK = "disk"
WRITABLE = "backup-store"
# zstd takes text to a third or a quarter: below this share not even one backup of all fits.
_SMALLEST_SHARE = 5
_MIB = 1 << 20


def check_disk(what: str, folder: Path, database_bytes: int) -> Finding:
    """One backup of everything fits where ``folder`` is (or will be made)."""
    free = shutil.disk_usage(nearest_folder(folder)).free
    message = (
        f"{free // _MIB} MiB free for {what} in {folder}, the live database has "
        f"{database_bytes // _MIB} MiB"
    )
    if free < database_bytes // _SMALLEST_SHARE:
        return fail(DISK, message, "free space there, or move it to a larger disk")
    if free < database_bytes:
        return warn(DISK, message, "free space there, or move it to a larger disk")
    return ok(DISK, message)


def check_writable(check: str, folder: Path, *, private: bool = False) -> Iterator[Finding]:
    """We may write in ``folder`` or make it; ``private``: and nobody else may look into it."""
    if folder.exists() and not folder.is_dir():
        yield fail(check, f"{folder} is not a folder", "move that file away")
        return
    place = nearest_folder(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield fail(check, f"{place} cannot be written to", "give this user write access to it")
        return
    mode = stat.S_IMODE(folder.stat().st_mode) if folder.exists() else 0o700
    if private and mode & 0o077:
        yield fail(
            check, f"{folder} has mode {mode:04o}: others may look into it", f"chmod 700 {folder}"
        )
        return
    yield ok(check, f"{folder} can be written to")


def nearest_folder(path: Path) -> Path:
    """``path``, or the first above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
