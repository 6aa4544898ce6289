"""Feed an archive to pg_restore in a scratch database, and tell why it fails when it does."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO

from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.errors import VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import ClientTools, client_environment, failure_reason

# Complaints that are about the scratch server, not about the archive.
_SCRATCH_TROUBLE = re.compile(
    r"No space left on device|could not extend file|connection to server|server closed the "
    r"connection|terminating connection|out of (shared )?memory|too many clients|the database "
    r"system is|invalid value for parameter"
)
# Features this build of the scratch server may lack.
_SCRATCH_LACKS = re.compile(
    r"unsupported XML feature|ICU is not supported in this build|could not open extension control "
    r"file|extension \"[^\"]+\" is not available|compression method \w+ not supported"
)
_MISSING_KEY = re.compile(r'is not present in table "(.+?)"')


@dataclass
class RestoreProcess:
    """A running pg_restore that reads an archive from us."""

    _process: "subprocess.Popen[bytes]"
    _complaints: IO[bytes]
    _started: float
    _broken: bool = False
    seconds: float = 0.0

    def write(self, data: memoryview) -> None:
        """Hand over a piece of the archive; nothing happens once pg_restore has given up."""
        if self._broken or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(data)
        except BrokenPipeError:
            self._broken = True

    def finish(self) -> str | None:
        """Wait for the end; returns the first complaint, or None when all was restored."""
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        returncode = self._process.wait()
        self.seconds = monotonic() - self._started
        self._complaints.seek(0)
        complaints = self._complaints.read().decode("utf-8", "backslashreplace")
        if returncode or "errors ignored on restore" in complaints:
            return failure_reason("pg_restore", complaints, returncode)
        return None


@contextmanager
def pg_restore(
    database: ConnInfo,
    tools: ClientTools,
    manifest: Manifest,
    *,
    stop: Stop,
    all_or_nothing: bool = False,
    to_last: bool = False,
) -> Iterator[RestoreProcess]:
    """Start pg_restore into ``database``; it is killed if the block ends before it does, or when
    asked to stop.

    It ends at the first error, and leaves nothing then if ``all_or_nothing``: one transaction,
    which needs a lock for each object. Unless it is ``to_last``, tablespaces are left out, for a
    scratch server has none, and a crash of the server may lose what was restored.

    Materialized views are filled as their owner, whom FORCE ROW LEVEL SECURITY binds: without
    ``--enable-row-security`` that is an error, and without the tenant's id they stay empty.
    Tables do not depend on either, for their rows are loaded before row-level security is on.
    """
    arguments = [
        tools.program("pg_restore"),
        "--format=custom",
        "--exit-on-error",
        "--no-password",
        "--enable-row-security",
        *([] if to_last else ["--no-tablespaces"]),
        *(["--single-transaction"] if all_or_nothing else []),
    ]
    options = {
        "lc_monetary": manifest.snapshot.lc_monetary,
        "synchronous_commit": "on" if to_last else "off",
    }
    if manifest.tenant:
        options["app.current_tenant_id"] = str(manifest.tenant.id)
    environment = client_environment(options)
    with database.client_arguments() as connection, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [*arguments, *connection],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            bufsize=0,
        )
        try:
            with stop.ends(process.kill):
                yield RestoreProcess(process, complaints, monotonic())
        finally:
            if process.stdin:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            process.kill()
            process.wait()


def raise_if_inconclusive(complaint: str, manifest: Manifest) -> None:
    """Raise when pg_restore's complaint says nothing about the archive.

    Raises:
        VerificationError: the scratch server failed or lacks a feature, or the platform part
            it was restored upon is of another moment than the tenant's.
    """
    if _SCRATCH_TROUBLE.search(complaint):
        raise VerificationError(f"the scratch server failed: {complaint}")
    if _SCRATCH_LACKS.search(complaint):
        raise VerificationError(
            f"the scratch server lacks a feature the tenant uses ({complaint}); set "
            "SCRATCH_DATABASE_URL to a server that has it"
        )
    if _misses_outside(complaint, manifest):
        raise VerificationError(
            "the newest platform backup is of another moment than this backup, which refers to "
            f"something shared that it does not have; back up the platform and verify again "
            f"({complaint})"
        )


def _misses_outside(complaint: str, manifest: Manifest) -> bool:
    """Whether a row or an object is missing that is outside the tenant's schema."""
    identities = {item.identity for item in manifest.needs.outside_objects}
    row = _MISSING_KEY.search(complaint)
    if row and row.group(1) in {identity.rsplit(".", 1)[-1] for identity in identities}:
        return True
    objects = {identity.replace('"', "") for identity in identities}
    said = complaint.replace('"', "")
    return any(f" {name} does not exist" in said for name in objects)
