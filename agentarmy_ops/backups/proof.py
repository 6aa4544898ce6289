"""The proof of one backup: read it, restore it, dump it again, compare, look at the catalogues."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.archive.difference import Difference, differences
from agentarmy_ops.archive.reprint import Reprint, find_reprint
from agentarmy_ops.backups.copy_out import copy_out
from agentarmy_ops.backups.dump import DumpOptions, pg_dump, platform_patterns, schema_patterns
from agentarmy_ops.backups.manifest import Manifest, TableSecurity
from agentarmy_ops.backups.pipeline import observed, open_archive
from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.backups.scratch_restore import RestoreProcess, pg_restore, raise_if_inconclusive
from agentarmy_ops.backups.snapshot import Connection, not_valid_of, security_of
from agentarmy_ops.backups.source import usable_cores
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.errors import ArchiveError, ObjectNotFoundError, OpsError, VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import DatabaseFacts, ScratchServer
from agentarmy_ops.postgres.tools import ClientTools, find_tools
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.isolation import POLICY


@dataclass(frozen=True)
class Verifier:
    """Where backups are read, where they are restored, and with what.

    ``scratch_for`` gives the scratch server for a PostgreSQL major. ``jobs`` scratch databases
    are worked in at once. ``stop`` ends what runs in them.
    """

    store: Store
    scratch_for: Callable[[int], ScratchServer]
    bin_dirs: tuple[Path, ...] = ()
    run_id: str | None = None
    jobs: int = field(default_factory=usable_cores)
    stop: Stop = field(default_factory=Stop)


@dataclass
class Findings:
    """What one verification has found out so far."""

    verifier: Verifier
    ref: BackupRef
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    causes: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    rewritten: tuple[str, ...] = ()
    restore_seconds: float | None = None
    dump_seconds: float | None = None
    archive_sha256: str | None = None
    scratch_server_version: str | None = None
    tool_version: str | None = None
    platform_backup_id: str | None = None

    def compare(self, cause: str, found: Sequence[Difference]) -> None:
        """Note differences, and ``cause`` if there are any."""
        if found:
            self.causes.append(cause)
            self.differences += found

    def verdict(self, error: OpsError | None = None) -> Verdict:
        """Conclude: ``error`` wins over causes, causes over none; stored unless an error."""
        status = Status.FAILED if self.causes else Status.VERIFIED
        verdict = Verdict(
            verification_id=new_id(),
            slug=self.ref.slug,
            backup_id=self.ref.backup_id,
            status=Status.ERROR if error else status,
            causes=(str(error),) if error else tuple(self.causes),
            differences=tuple(self.differences),
            rewritten=self.rewritten,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            restore_seconds=self.restore_seconds,
            dump_seconds=self.dump_seconds,
            archive_sha256=self.archive_sha256,
            scratch_server_version=self.scratch_server_version,
            tool_version=self.tool_version,
            platform_backup_id=self.platform_backup_id,
            run_id=self.verifier.run_id,
        )
        if error is None:
            name = self.ref.verification(verdict.verification_id)
            with self.verifier.store.create(name) as writer:
                writer.write(verdict.encode())
        return verdict


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

    def dump(
        self, database: ConnInfo, selection: Sequence[str], lc_monetary: str
    ) -> AbstractContextManager[io.FileIO]:
        """Stream an archive of what ``selection`` says."""
        options = DumpOptions(
            self.tools, lc_monetary, started=lambda process: self.stop.ends(process.kill)
        )
        return pg_dump(database, options, selection)


def _selection(manifest: Manifest) -> list[str]:
    """What pg_dump has to be asked for to give the manifest's archive again."""
    if manifest.tenant is None:
        return platform_patterns()
    return schema_patterns([manifest.tenant.schema_name])


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


def prove(findings: Findings, manifest: Manifest, bench: Bench) -> None:
    """Restore the archive of ``manifest`` into the bench's database and compare what is there.

    What is wrong with the backup is noted in ``findings``; each step is only taken when the one
    before it found nothing.

    Raises:
        OpsError: nothing can be said about the backup.
    """
    archived = read_and_restore(findings, manifest, bench)
    if findings.causes or archived is None:
        return
    started = monotonic()
    again = _dump_again(manifest, bench, bench.database)
    findings.dump_seconds = monotonic() - started
    found = differences(archived.fingerprint, again.fingerprint)
    if found:
        reprint = _reprint(manifest, bench, archived, again)
        if reprint is None:
            findings.compare("restored and dumped again, it is not the same", found)
        else:
            findings.rewritten = reprint.definitions
    if manifest.tenant:
        schema = manifest.tenant.schema_name
        with bench.database.connect(autocommit=True) as connection:
            state = restored_states(connection, [schema])
        check_restored(findings, manifest, state[schema])


def _dump_again(
    manifest: Manifest,
    bench: Bench,
    database: ConnInfo,
    sink: Callable[[memoryview], None] = lambda _: None,
) -> Description:
    lc_monetary = manifest.snapshot.lc_monetary
    with bench.dump(database, _selection(manifest), lc_monetary) as stream:
        return describe(observed(stream, sink))


def _reprint(
    manifest: Manifest, bench: Bench, archived: Description, again: Description
) -> Reprint | None:
    """Whether the two dumps differ only in how PostgreSQL prints the same objects.

    If so, a restore of the second one prints them byte for byte as the second one does, and rows
    whose columns changed places are the same when asked for in the first one's order.
    """
    reprint = find_reprint(archived, again)
    if reprint is None:
        return None
    with bench.another_database() as second:
        with bench.restore(manifest, second) as restore:
            _dump_again(manifest, bench, bench.database, restore.write)
            if restore.finish():
                return None
        third = _dump_again(manifest, bench, second)
    if third.fingerprint != again.fingerprint:
        return None
    return reprint if same_rows(manifest, bench, archived, reprint) else None


def same_rows(manifest: Manifest, bench: Bench, archived: Description, reprint: Reprint) -> bool:
    """Whether the restored tables whose columns changed places give the archived rows when asked
    for in the archived order."""
    expected = {(t.namespace, t.table): t for t in archived.fingerprint.tables}
    for table, statement in reprint.copies.items():
        rows, size, sha256 = copy_out(bench.database, statement, manifest.snapshot.lc_monetary)
        one = expected[table]
        if (rows, size, sha256) != (one.rows, one.bytes, one.sha256):
            return False
    return True


def read_and_restore(findings: Findings, manifest: Manifest, bench: Bench) -> Description | None:
    """Read the stored object once: measure it, describe it, and restore it; None when it could
    not be read to its end. What is wrong is noted in ``findings``.

    Raises:
        OpsError: nothing can be said about the backup.
    """
    facts = manifest.archive
    description: Description | None = None
    damage: ArchiveError | None = None
    with bench.restore(manifest, bench.database) as restore:
        try:
            with open_archive(findings.verifier.store, facts.object_name, restore.write) as opened:
                archive, measure = opened
                try:
                    description = describe(archive)
                except ArchiveError as error:
                    damage = error
        except ObjectNotFoundError:
            findings.causes.append(f"its archive {facts.object_name} is not in the store")
            return None
        complaint = restore.finish()
        findings.restore_seconds = restore.seconds
    findings.archive_sha256 = measure.sha256
    if (measure.size, measure.sha256) != (facts.stored_bytes, facts.sha256):
        findings.causes.append(
            f"the stored archive is not the one that was written: {measure.size} bytes with sha256 "
            f"{measure.sha256}, not {facts.stored_bytes} with {facts.sha256}"
        )
    if damage:
        findings.causes.append(str(damage))
    if description:
        _check_archive(findings, manifest, description)
    if complaint and not findings.causes:
        raise_if_inconclusive(complaint, manifest)
        findings.causes.append(f"it cannot be restored: {complaint}")
    return description


def _check_archive(findings: Findings, manifest: Manifest, description: Description) -> None:
    found = description.fingerprint
    if manifest.tenant:
        schemas = {e.tag for e in found.entries if e.desc == "SCHEMA"}
        if schemas != {manifest.tenant.schema_name}:
            findings.causes.append(
                f"the archive holds schema {', '.join(sorted(schemas)) or 'nothing'}, not "
                f"{manifest.tenant.schema_name}"
            )
            return
    findings.compare(
        "the archive is not what its manifest describes",
        differences(manifest.fingerprint, found),
    )


@dataclass(frozen=True)
class RestoredState:
    """What the catalogues of a scratch database say of a restored schema."""

    security: tuple[TableSecurity, ...]
    not_valid: tuple[str, ...]


def restored_states(connection: Connection, schemas: Sequence[str]) -> Mapping[str, RestoredState]:
    """What the catalogues say of restored schemas, in one query each for all.

    Raises:
        DatabaseError: PostgreSQL refused it.
    """
    security = security_of(connection, schemas)
    unproven = not_valid_of(connection, schemas)
    return {schema: RestoredState(security[schema], unproven[schema]) for schema in schemas}


def check_restored(findings: Findings, manifest: Manifest, state: RestoredState) -> None:
    """Isolation and constraints, by the catalogues of the restored database."""
    for table in state.security:
        if not table.enabled:
            findings.causes.append(f"table {table.table}: row-level security is not enabled")
        elif not table.forced:
            findings.causes.append(f"table {table.table}: row-level security is not forced")
        if POLICY not in table.policies:
            findings.causes.append(f"table {table.table}: policy {POLICY} is missing")
    if state.security != manifest.row_level_security:
        findings.causes.append("row-level security differs from what the manifest lists")
    unproven = sorted(set(state.not_valid) - set(manifest.not_valid))
    findings.causes += [f"{name} is not valid" for name in unproven]
