"""A backup in a scratch database, where it is changed before it goes anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.exclude import exclude_dump_ids, without_entries
from agentarmy_ops.archive.primitives import Readable
from agentarmy_ops.backups.catalog import list_backups, load_manifest, platform_for
from agentarmy_ops.backups.dump import schema_patterns
from agentarmy_ops.backups.findings import Findings, Verifier
from agentarmy_ops.backups.pipeline import observed
from agentarmy_ops.backups.proof import read_and_restore
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.restore.load import Loadable
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.stored import Choice
from agentarmy_ops.backups.restored_state import restored_states
from agentarmy_ops.backups.scratch_restore import raise_if_inconclusive
from agentarmy_ops.backups.verify import disable_event_triggers
from agentarmy_ops.backups.verify_alone import require_fit_session, require_platform_part
from agentarmy_ops.backups.workbench import Bench, prepared
from agentarmy_ops.errors import ArchiveError, RestoreError, VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops.postgres.tools import session_options

# teSection in pg_backup.h. What has none (comments, grants) goes with what comes last.
PRE_DATA, DATA = 2, 3
# Each archive needs these, to be read as it was written.
_EVERYWHERE = frozenset({b"ENCODING", b"STDSTRINGS", b"SEARCHPATH"})

ScratchFor = Callable[[int], ScratchServer]


@contextmanager
def scratch_bench(
    restorer: Restorer, scratch_for: ScratchFor, choice: Choice
) -> Iterator["ScratchCopy"]:
    """A scratch database with the platform part, dropped at the end of the block.

    Raises:
        RestoreError: there is none, or the platform part cannot be restored into it.
    """
    manifest = choice.manifest
    verifier = Verifier(restorer.store, scratch_for, restorer.keys, restorer.bin_dirs)
    try:
        with (
            _platform_part(verifier, manifest.backup_id) as template,
            prepared(Findings(verifier, manifest.ref), manifest, template) as bench,
        ):
            with bench.database.connect(autocommit=True) as connection:
                require_platform_part(manifest, template, connection)
                require_fit_session(connection)
            yield ScratchCopy(bench, choice)
    except VerificationError as error:
        raise RestoreError(
            f"backup {manifest.ref} cannot be prepared in a scratch database (nothing was "
            f"touched): {error}"
        ) from error


@contextmanager
def _platform_part(verifier: Verifier, backup_id: str) -> Iterator[ConnInfo | None]:
    """A scratch database that holds the platform backup which goes with a tenant's."""
    ref = platform_for(list_backups(verifier.store, None), backup_id)
    if ref is None:
        yield None
        return
    manifest, findings = load_manifest(verifier.store, ref), Findings(verifier, ref)
    with prepared(findings, manifest, None) as bench:
        read_and_restore(findings, manifest, bench)
        if findings.causes:
            raise VerificationError(
                f"platform backup {ref.backup_id}, upon which the tenant is restored, is bad: "
                f"{findings.causes[0]}; back up the platform"
            )
        disable_event_triggers(bench.database)
        yield bench.database


class ScratchCopy:
    """The scratch database of one backup, and what can be done in it."""

    def __init__(self, bench: Bench, choice: Choice) -> None:
        self._bench = bench
        self._choice = choice

    def restore(self, archive: Loadable, left_out: frozenset[int]) -> None:
        """Restore the archive without the entries of these dump ids, and what they hold.

        Raises:
            RestoreError: PostgreSQL refuses.
            ArchiveError: the archive is not what it was when it was described.
        """
        manifest, toc = self._choice.manifest, archive.description.toc
        with self._bench.restore(manifest, self._bench.database) as process:
            rest = without_entries(toc, left_out)
            if any(entry.has_dumper for entry in rest.entries):
                with archive.open() as stream:
                    found = describe(
                        observed(exclude_dump_ids(stream, left_out), process.write)
                    ).fingerprint
                if set(found.tables) - set(archive.description.fingerprint.tables):
                    raise ArchiveError("the archive is not what it was a moment ago")
            else:
                process.write(memoryview(rest.encode()))
            complaint = process.finish()
        if complaint:
            raise_if_inconclusive(complaint, manifest)
            raise RestoreError(
                f"backup {manifest.ref} cannot be restored (nothing was touched): {complaint}"
            )

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """One transaction in the scratch database, which names things as a dump does.

        Raises:
            RestoreError: PostgreSQL refuses.
        """
        options = session_options({"search_path": "", "check_function_bodies": "off"})
        try:
            with self._bench.database.connect(options=options) as connection:
                yield connection
        except psycopg.Error as error:
            raise RestoreError(
                f"backup {self._choice.manifest.ref} cannot be changed in the scratch database "
                f"(nothing was touched): {reason(error)}"
            ) from error

    def dump(self, schema: str, tenant_id: UUID) -> Loadable:
        """The schema as it is now, to be loaded elsewhere while the scratch database lasts.

        Raises:
            OpsError: it cannot be read.
        """
        lc_monetary = self._choice.manifest.snapshot.lc_monetary

        @contextmanager
        def open_dump() -> Iterator[Readable]:
            patterns = schema_patterns([schema])
            with self._bench.dump(self._bench.database, patterns, lc_monetary) as stream:
                yield stream

        with open_dump() as stream:
            description = describe(stream)
        with self.session() as connection:
            state = restored_states(connection, [schema])[schema]
        return Loadable(
            schema=schema,
            tenant_id=tenant_id,
            description=description,
            security=state.security,
            not_valid=state.not_valid,
            lc_monetary=lc_monetary,
            open=open_dump,
        )


def outside_sections(archive: Loadable, *sections: int) -> frozenset[int]:
    """Dump ids of the archive's entries that are of none of these sections."""
    return frozenset(
        entry.dump_id
        for entry in archive.description.toc.entries
        if entry.section not in sections and entry.desc not in _EVERYWHERE
    )


def inside_sections(archive: Loadable, *sections: int) -> frozenset[int]:
    """Dump ids of the archive's entries that are of one of these sections."""
    return frozenset(
        entry.dump_id
        for entry in archive.description.toc.entries
        if entry.section in sections and entry.desc not in _EVERYWHERE
    )
