"""Run pg_dump and hand out its archive as it arrives."""

import io
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import IO, cast

from agentarmy_ops.backups.pipes import widen
from agentarmy_ops.errors import ArchiveError, ClientToolError, TableLockedError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import ClientTools, client_environment, failure_reason
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

# Statistics (written by 18 when asked) are the server's to make again, and never the same twice.
_STATISTICS_MAJOR = 18
# Cloud Run and Docker kill after 10.
_CANCEL_SECONDS = 3
_PLAIN = re.compile(r"[a-z0-9_]+")
_ALTERNATIVES = 50
# Of one recursive query over pg_depend (buildMatViewRefreshDependencies in pg_dump.c) the planner
# expects a few rows, and may merge all of the catalogue at each step, by the luck of the last
# ANALYZE: 7 s instead of 0.8 s for one of 1,000 tenants, on 16 as on 18.
_PLANNER_SETTINGS = {"enable_mergejoin": "off"}


@dataclass(frozen=True)
class DumpOptions:
    """How to read the database: with what programs, in which snapshot, how patiently.

    ``started`` is entered with pg_dump's process while that runs.
    """

    tools: ClientTools
    lc_monetary: str
    snapshot: str | None = None
    lock_timeout_seconds: int = 60
    started: Callable[["subprocess.Popen[bytes]"], AbstractContextManager[None]] = lambda _: (
        nullcontext()
    )


def schema_patterns(schemas: Sequence[str]) -> list[str]:
    """``--schema`` options for the schemas of exactly these names.

    pg_dump looks through all schemas once for each pattern, so plain names, which are most, are
    put together as alternatives (``processSQLNamePattern`` in string_utils.c makes a regular
    expression of a pattern). Any other is quoted, for pg_dump folds case and expands wildcards in
    what is not.
    """
    plain = [name for name in schemas if _PLAIN.fullmatch(name)]
    quoted = [name.replace('"', '""') for name in schemas if not _PLAIN.fullmatch(name)]
    groups = [plain[first : first + _ALTERNATIVES] for first in range(0, len(plain), _ALTERNATIVES)]
    return [
        *(f"--schema=({'|'.join(group)})" for group in groups),
        *(f'--schema="{name}"' for name in quoted),
    ]


def without_statistics(tools: ClientTools) -> list[str]:
    """Options by which this pg_dump writes no statistics."""
    return ["--no-statistics"] if tools.major >= _STATISTICS_MAJOR else []


def platform_patterns() -> list[str]:
    """Everything but the tenants' schemas. Subscriptions hold passwords, and restoring one
    would connect to its publisher. Large objects belong to no schema: one that a tenant made
    and the backup role may not read would stop the dump."""
    return [f'--exclude-schema="{SCHEMA_PREFIX}"*', "--no-subscriptions", "--no-blobs"]


@contextmanager
def pg_dump(
    conninfo: ConnInfo, options: DumpOptions, selection: Sequence[str]
) -> Iterator[io.FileIO]:
    """Stream an uncompressed custom-format archive of what ``selection`` says.

    If the block ends early, by an exception or unread data, pg_dump is cancelled.

    Raises:
        ClientToolError: at the end of the block, when pg_dump failed; its first complaint is in
            the message. What was read until then is not an archive.
    """
    arguments = [
        options.tools.program("pg_dump"),
        "--format=custom",
        "--compress=0",
        "--no-password",
        f"--lock-wait-timeout={options.lock_timeout_seconds}s",
        *without_statistics(options.tools),
        *([f"--snapshot={options.snapshot}"] if options.snapshot else ()),
        *selection,
    ]
    environment = client_environment({"lc_monetary": options.lc_monetary, **_PLANNER_SETTINGS})
    with conninfo.client_arguments() as connection, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [*arguments, *connection],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,
        )
        with cast("io.FileIO", process.stdout) as stream:
            try:
                widen(stream)
                with options.started(process):
                    yield stream
            except ArchiveError:
                # When pg_dump died, its own complaint explains why its archive is cut short.
                stream.close()
                if (returncode := process.wait()) > 0:
                    raise _error(complaints, returncode, options) from None
                raise
            except BaseException:
                cancel(process)
                process.wait()
                raise
        # Closing the pipe before the end stops pg_dump by SIGPIPE, which is a failure too.
        if returncode := process.wait():
            raise _error(complaints, returncode, options)


def cancel(process: "subprocess.Popen[bytes]") -> None:
    """End a pg_dump, from any thread. Told by SIGTERM, it has the server cancel its query, which
    may wait for a lock: a killed client's session waits on, and keeps the tables locked that it
    has locked already. One that has not ended after some seconds is killed; nothing waits here.
    """
    process.terminate()
    killer = threading.Timer(_CANCEL_SECONDS, process.kill)
    killer.daemon = True
    killer.start()


def _error(complaints: IO[bytes], returncode: int, options: DumpOptions) -> ClientToolError:
    complaints.seek(0)
    text = complaints.read().decode("utf-8", "backslashreplace")
    if "due to statement timeout" in text and "LOCK TABLE" in text:
        return TableLockedError(
            "pg_dump could not read: another session kept a table locked for all of "
            f"{options.lock_timeout_seconds} s; wait for it to end and try again"
        )
    return ClientToolError(failure_reason("pg_dump", text, returncode))
