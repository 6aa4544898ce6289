"""The scratch server can take what the live one holds: same major, same extensions."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.doctor.finding import Finding, fail, ok, warn
from agentarmy_ops.postgres.scratch import ScratchServer

CHECK = "scratch-server"
EXTENSIONS = "extensions"
LEFTOVERS = "scratch-databases"


def check_scratch_major(live_version: str, scratch_version: str) -> Finding:
    """A verdict needs a server of the same major."""
    if live_version.partition(".")[0] == scratch_version.partition(".")[0]:
        return ok(CHECK, f"PostgreSQL {scratch_version}, apart from the live server")
    return fail(
        CHECK,
        f"the scratch server is PostgreSQL {scratch_version}, the live one {live_version}",
        "set SCRATCH_DATABASE_URL to a server of the same major, or unset it",
    )


def check_extensions(
    connection: psycopg.Connection[TupleRow], scratch: ScratchServer
) -> Iterator[Finding]:
    """Every extension of the live database can be created on the scratch server."""
    rows = connection.execute("SELECT extname::text FROM pg_extension").fetchall()
    installed = {str(row[0]) for row in rows}
    lacking = sorted(installed - scratch.available_extensions())
    for name in lacking:
        yield fail(
            EXTENSIONS,
            f"extension {name} of the live database is not available on the scratch server",
            "install it there, or set SCRATCH_DATABASE_URL to a server that has it",
        )
    if not lacking:
        yield ok(EXTENSIONS, f"the scratch server has {', '.join(sorted(installed))}")


def check_leftovers(scratch: ScratchServer, older_than: timedelta, *, fix: bool) -> Finding:
    """Scratch databases that killed processes left behind; ``fix`` drops them."""
    if fix:
        reaped = scratch.reap(older_than)
        return ok(LEFTOVERS, f"{len(reaped)} left behind, dropped" if reaped else "none left over")
    count = len(scratch.left_behind(older_than))
    if not count:
        return ok(LEFTOVERS, "none left over")
    return warn(
        LEFTOVERS,
        f"{count} scratch databases left by killed processes",
        "run 'agentarmy-ops doctor --fix' to drop them",
    )
