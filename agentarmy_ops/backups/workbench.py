"""A scratch database to prove a backup in, and the programs to do it with."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from agentarmy_ops.backups.dump import DumpOptions, pg_dump
from agentarmy_ops.backups.findings import Findings
from agentarmy_ops.backups.lock_budget import reserve
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.plan import CATALOGUE_LOCKS
from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.scratch_restore import RestoreProcess, pg_restore
from agentarmy_ops.backups.snapshot import no_timeouts
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.errors import VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import DatabaseFacts, ScratchServer
from agentarmy_ops.postgres.tools import ClientTools, find_tools


@dataclass(frozen=True)
class Bench:
    """A scratch database, how to make another one like it, and the tools of its major.

    In a database that backups ``share``, a restore that fails leaves nothing.
    """

    database: ConnInfo
    another_database: Callable[[], AbstractContextManager[ConnInfo]]
    tools: ClientTools
    stop: Stop
    shared: bool = False

    def restore(
        self, manifest: Manifest, database: ConnInfo
    ) -> AbstractContextManager[RestoreProcess]:
        """Start a pg_restore of an archive like the manifest's."""
        return pg_restore(
            database, self.tools, manifest, stop=self.stop, all_or_nothing=self.shared
        )

    @contextmanager
    def dump(
        self, database: ConnInfo, selection: Sequence[str], lc_monetary: str
    ) -> Iterator[io.FileIO]:
        """Stream an archive of what ``selection`` says, when the scratch server has room for it
        beside the dumps of others."""
        options = DumpOptions(
            self.tools, lc_monetary, started=lambda process: self.stop.ends(process.kill)
        )
        with (
            database.connect(autocommit=True) as session,
            self.stop.ends(session.cancel),
        ):
            no_timeouts(session)
            (found,) = query(session, "dumped_relations")
            reserve(session, CATALOGUE_LOCKS + found["relations"], self.stop)
            with pg_dump(database, options, selection) as stream:
                yield stream


def look_up(findings: Findings, manifest: Manifest) -> tuple[ClientTools, ScratchServer]:
    """The programs and the scratch server for a backup.

    Raises:
        OpsError: they are not there, or cannot take the archive.
    """
    snapshot = manifest.snapshot
    tools = find_tools(snapshot.server_major, findings.verifier.bin_dirs)
    findings.tool_version = tools.version
    scratch = findings.verifier.scratch_for(snapshot.server_major)
    version = findings.scratch_server_version = scratch.server_version()
    if int(version.split(".")[0]) != snapshot.server_major:
        raise VerificationError(
            f"the scratch server is PostgreSQL {version}, the backup of {snapshot.server_version}; "
            "set SCRATCH_DATABASE_URL to a server of the same major"
        )
    created = {e.tag for e in manifest.fingerprint.entries if e.desc == "EXTENSION"}
    lacking = {*manifest.needs.extensions, *created} - scratch.available_extensions()
    if lacking:
        raise VerificationError(
            f"the scratch server lacks extension {', '.join(sorted(lacking))}; set "
            "SCRATCH_DATABASE_URL to a server that has it"
        )
    return tools, scratch


def facts_of(manifest: Manifest) -> DatabaseFacts:
    """What a database must be like for the archive to be restored into it."""
    snapshot = manifest.snapshot
    return DatabaseFacts(snapshot.encoding, snapshot.collate, snapshot.ctype, snapshot.lc_monetary)


@contextmanager
def prepared(findings: Findings, manifest: Manifest, template: ConnInfo | None) -> Iterator[Bench]:
    """A scratch database in which everything the archive needs is there: a copy of the scratch
    database ``template`` where one is given.

    Raises:
        VerificationError: the scratch server is not there, or cannot take the archive.
    """
    tools, scratch = look_up(findings, manifest)
    scratch.ensure_roles({role.name: role.bypasses_rls for role in manifest.needs.roles})
    another_database = partial(scratch.database, facts_of(manifest), template=template)
    with another_database() as database:
        yield Bench(database, another_database, tools, findings.verifier.stop)
