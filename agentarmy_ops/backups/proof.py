"""The proof of one backup: read it, restore it, dump it again, compare, look at the catalogues."""

from collections.abc import Callable
from time import monotonic

from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.archive.difference import differences
from agentarmy_ops.archive.reprint import Reprint, find_reprint
from agentarmy_ops.backups.copy_out import copy_out
from agentarmy_ops.backups.dump import platform_patterns, schema_patterns
from agentarmy_ops.backups.findings import Findings
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.pipeline import observed, open_archive
from agentarmy_ops.backups.restored_state import check_restored, restored_states
from agentarmy_ops.backups.scratch_restore import raise_if_inconclusive
from agentarmy_ops.backups.workbench import Bench
from agentarmy_ops.errors import ArchiveError, ObjectNotFoundError
from agentarmy_ops.postgres.conninfo import ConnInfo


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


def _selection(manifest: Manifest) -> list[str]:
    """What pg_dump has to be asked for to give the manifest's archive again."""
    if manifest.tenant is None:
        return platform_patterns()
    return schema_patterns([manifest.tenant.schema_name])


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
    facts, verifier = manifest.archive, findings.verifier
    description: Description | None = None
    damage: ArchiveError | None = None
    with bench.restore(manifest, bench.database) as restore:
        try:
            with open_archive(verifier.store, facts, verifier.keys, restore.write) as opened:
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
