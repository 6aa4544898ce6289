"""The SQL of an archive, as pg_restore writes it, without the rows."""

import re
import subprocess
from dataclasses import dataclass

from agentarmy_ops.archive.toc import TableOfContents, TocEntry
from agentarmy_ops.errors import ClientToolError
from agentarmy_ops.postgres.tools import ClientTools, client_environment, failure_reason

# What tells psql not to obey what comes between; the key is random, so no archive can hold it.
_RESTRICT = re.compile(rb"^\\restrict (\w+)\n", re.MULTILINE)
# Ours is to last (_doSetFixedOutputState in pg_backup_archiver.c writes this one).
_NO_LOCK_TIMEOUT = b"\nSET lock_timeout = 0;\n"
TABLE_DATA = b"TABLE DATA"


@dataclass(frozen=True)
class Script:
    """Statements to run before the rows are loaded, those that set sequences, and those to run
    after. Each is one text for the server to parse, which knows where a statement ends."""

    definitions: bytes
    sequences: bytes
    constraints: bytes


def table_data(toc: TableOfContents) -> list[TocEntry]:
    """The entries whose rows the archive holds."""
    return [entry for entry in toc.entries if entry.desc == TABLE_DATA]


def write_script(toc: TableOfContents, tools: ClientTools) -> Script:
    """Let pg_restore write the SQL of an archive with this table of contents.

    It needs no rows for it, and is given none: they are loaded from the archive itself.

    Raises:
        ClientToolError: pg_restore failed.
    """
    without_rows = toc.with_entries([e for e in toc.entries if e.desc != TABLE_DATA]).encode()
    return Script(
        definitions=_section("pre-data", without_rows, tools),
        sequences=_section("data", without_rows, tools),
        constraints=_section("post-data", without_rows, tools),
    )


def _section(section: str, archive: bytes, tools: ClientTools) -> bytes:
    arguments = [
        tools.program("pg_restore"),
        "--format=custom",
        f"--section={section}",
        "--file=-",
        # Materialized views are filled as their owner, whom forced row-level security binds:
        # with the tenant's id, which the session has, not with row security off.
        "--enable-row-security",
    ]
    done = subprocess.run(
        arguments, input=archive, env=client_environment(), capture_output=True, check=False
    )
    if done.returncode:
        complaint = done.stderr.decode("utf-8", "backslashreplace")
        raise ClientToolError(failure_reason("pg_restore", complaint, done.returncode))
    return _for_the_server(done.stdout)


def _for_the_server(script: bytes) -> bytes:
    """Take out what psql would read, not the server, and what would end our lock timeout."""
    restrict = _RESTRICT.search(script)
    if restrict:
        key = restrict.group(1)
        script = script.replace(b"\\restrict " + key + b"\n", b"", 1)
        script = script.replace(b"\\unrestrict " + key + b"\n", b"", 1)
    return script.replace(_NO_LOCK_TIMEOUT, b"\n", 1)
