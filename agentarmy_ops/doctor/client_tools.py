"""pg_dump and pg_restore must be of each server's own major."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from agentarmy_ops.doctor.finding import Finding, fail, failed, ok
from agentarmy_ops.errors import ClientToolError
from agentarmy_ops.postgres.tools import all_tools, find_tools

CHECK = "client-tools"


def check_bin_dirs(bin_dirs: Sequence[Path]) -> Iterator[Finding]:
    """Each folder of ``POSTGRES_BIN_DIRS`` holds programs that run."""
    usable = {tools.bin_dir for tools in all_tools(bin_dirs)}
    for bin_dir in bin_dirs:
        if bin_dir not in usable:
            yield fail(
                CHECK,
                f"POSTGRES_BIN_DIRS names {bin_dir}, where no pg_dump and pg_restore run",
                "name the folder that holds both, such as /usr/lib/postgresql/16/bin",
            )


def check_client_tools(server: str, version: str, bin_dirs: Sequence[Path]) -> Finding:
    """There are tools for ``server`` (``live``, ``scratch``), which is of this version."""
    try:
        tools = find_tools(int(version.partition(".")[0]), bin_dirs)
    except ClientToolError as error:
        return failed(CHECK, error)
    return ok(
        CHECK, f"pg_dump {tools.version} fits the {server} server {version} ({tools.bin_dir})"
    )
