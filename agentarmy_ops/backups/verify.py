"""Verify backups: which platform part they go upon, and what becomes of each."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from threading import Lock

import psycopg

from agentarmy_ops.backups.catalog import list_backups, platform_for
from agentarmy_ops.backups.findings import Findings, Verifier
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.backups.verify_alone import (
    Template,
    findings_upon,
    proven,
    verify_alone,
)
from agentarmy_ops.backups.verify_plan import Candidate, plan
from agentarmy_ops.backups.verify_threads import in_threads
from agentarmy_ops.backups.verify_together import prove_together
from agentarmy_ops.errors import OpsError, VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.postgres.scratch import ScratchServer


def verify_backups(verifier: Verifier, refs: Sequence[BackupRef]) -> Generator[Verdict, None, None]:
    """Verify tenants' backups, by the platform backups they are restored upon, several at once;
    yields each verdict as it is reached. Verdicts other than ``error`` are in the store then.

    What runs is ended, and every scratch database dropped, when the generator is closed.

    Raises:
        OpsError: before the first verdict, when the store cannot be listed.
    """
    platforms = list_backups(verifier.store, None)
    verifier = replace(verifier, scratch_for=_once(verifier.scratch_for))

    def platform(ref: BackupRef) -> BackupRef | None:
        return platform_for(platforms, ref.backup_id)

    ordered = sorted(refs, key=lambda ref: (str(platform(ref) or ""), ref))
    for platform_ref, group in groupby(ordered, key=platform):
        yield from _verify_group(verifier, platform_ref, list(group))


def verify_platform(verifier: Verifier, ref: BackupRef) -> Verdict:
    """Verify one backup of the platform part; like :func:`verify_backups`."""
    return verify_alone(verifier, ref, None)


def _once(scratch_for: Callable[[int], ScratchServer]) -> Callable[[int], ScratchServer]:
    """``scratch_for``, asked once for each major."""
    found: dict[int, ScratchServer] = {}
    lock = Lock()

    def look_up(major: int) -> ScratchServer:
        with lock:
            if major not in found:
                found[major] = scratch_for(major)
            return found[major]

    return look_up


def _verify_group(
    verifier: Verifier, platform_ref: BackupRef | None, refs: Sequence[BackupRef]
) -> Iterator[Verdict]:
    """Verify backups that go upon one platform backup, which is restored once for all."""
    verifier = replace(verifier, stop=Stop())
    done: set[BackupRef] = set()
    try:
        with _platform_database(verifier, platform_ref) as template:
            for verdict in in_threads(
                plan(verifier, refs),
                lambda batch: _verify_batch(verifier, batch, template),
                threads=min(verifier.jobs, len(refs)),
                stop=verifier.stop,
            ):
                done.add(verdict.ref)
                yield verdict
    except OpsError as error:
        for ref in refs:
            if ref not in done:
                yield Findings(verifier, ref).verdict(error)


def _verify_batch(
    verifier: Verifier, batch: Sequence[Candidate], template: Template | None
) -> Generator[Verdict, None, None]:
    """Verify a batch together, and alone whoever is not found equal and fine there."""
    left = {candidate.ref for candidate in batch}
    if len(batch) > 1:
        with suppress(OpsError):
            for findings in prove_together(verifier, batch, template):
                left.discard(findings.ref)
                yield _concluded(findings)
    for ref in sorted(left):
        yield verify_alone(verifier, ref, template)


def _concluded(findings: Findings) -> Verdict:
    try:
        return findings.verdict()
    except OpsError as error:  # the store does not take it
        return findings.verdict(error)


@contextmanager
def _platform_database(verifier: Verifier, ref: BackupRef | None) -> Iterator[Template | None]:
    """The platform backup, restored and verified, as a template for tenants' databases."""
    if ref is None:
        yield None
        return
    findings = findings_upon(verifier, ref, None)
    with proven(findings, None) as database:
        verdict = findings.verdict()
        if verdict.status is not Status.VERIFIED or database is None:
            raise VerificationError(
                f"platform backup {ref.backup_id}, upon which the tenant is restored, failed: "
                f"{verdict.summary}; back up the platform and verify again"
            )
        disable_event_triggers(database)
        yield Template(ref, database)


def disable_event_triggers(database: ConnInfo) -> None:
    """Keep event triggers of a platform part from acting on what is restored upon it.

    Raises:
        VerificationError: the scratch server failed.
    """
    try:
        with database.connect(autocommit=True) as connection:
            connection.execute(load_sql(__file__, "disable_event_triggers"))
    except psycopg.Error as error:
        raise VerificationError(f"the scratch server failed: {reason(error)}") from error
