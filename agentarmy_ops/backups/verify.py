"""Verify backups: which platform part they go upon, and what becomes of each."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from agentarmy_ops.backups.catalog import list_backups, load_manifest, platform_for
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.proof import Findings, Verifier, prepared, prove
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.snapshot import query
from agentarmy_ops.backups.verdict import Status, Verdict
from agentarmy_ops.errors import ArchiveError, OpsError, VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql

_ENGLISH = re.compile(r"(C|POSIX)(\.|$)|en_|English")


@dataclass(frozen=True)
class _Template:
    """A scratch database that holds a platform backup."""

    ref: BackupRef
    database: ConnInfo


def verify_backups(verifier: Verifier, refs: Sequence[BackupRef]) -> Iterator[Verdict]:
    """Verify tenants' backups, in the order of the platform backups they are restored upon;
    yields each verdict as it is reached. Verdicts other than ``error`` are in the store then.

    Raises:
        OpsError: before the first verdict, when the store cannot be listed.
    """
    platforms = list_backups(verifier.store, None)

    def platform(ref: BackupRef) -> BackupRef | None:
        return platform_for(platforms, ref.backup_id)

    ordered = sorted(refs, key=lambda ref: (str(platform(ref) or ""), ref))
    for platform_ref, group in groupby(ordered, key=platform):
        yield from _verify_group(verifier, platform_ref, list(group))


def _verify_group(
    verifier: Verifier, platform_ref: BackupRef | None, refs: Sequence[BackupRef]
) -> Iterator[Verdict]:
    """Verify backups that go upon one platform backup, which is restored once for all."""
    done: set[BackupRef] = set()
    try:
        with _platform_database(verifier, platform_ref) as template:
            for ref in refs:
                verdict = _verify_one(verifier, ref, template)
                done.add(ref)
                yield verdict
    except OpsError as error:
        for ref in refs:
            if ref not in done:
                yield Findings(verifier, ref).verdict(error)


def _verify_one(verifier: Verifier, ref: BackupRef, template: _Template | None) -> Verdict:
    findings = Findings(verifier, ref)
    if template:
        findings.platform_backup_id = template.ref.backup_id
    try:
        with _proven(findings, template.database if template else None):
            return findings.verdict()
    except OpsError as error:
        return findings.verdict(error)


def verify_platform(verifier: Verifier, ref: BackupRef) -> Verdict:
    """Verify one backup of the platform part; like :func:`verify_backups`."""
    return _verify_one(verifier, ref, None)


@contextmanager
def _proven(findings: Findings, template: ConnInfo | None) -> Iterator[ConnInfo | None]:
    """The scratch database in which the backup was restored, and ``findings`` complete; None
    when its manifest is too bad to try.

    Raises:
        OpsError: nothing can be said about the backup.
    """
    try:
        manifest = load_manifest(findings.verifier.store, findings.ref)
    except ArchiveError as error:
        findings.causes.append(str(error))
        yield None
        return
    with prepared(findings, manifest, template) as bench:
        if manifest.tenant:
            _require_platform_part(manifest, template, bench.database)
        _require_fit_session(bench.database)
        prove(findings, manifest, bench)
        yield bench.database


def _require_platform_part(
    manifest: Manifest, template: ConnInfo | None, database: ConnInfo
) -> None:
    """Raise when what the tenant needs cannot be there yet: that says nothing of its backup.

    Raises:
        VerificationError: no platform backup, or one of before the tenant's extensions.
    """
    needs = manifest.needs
    if template is None and (needs.outside_objects or needs.extensions):
        raise VerificationError(
            "there is no platform backup, upon which the tenant is restored; back up the platform "
            "and verify again"
        )
    with database.connect() as connection:
        created = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
    if lacking := set(needs.extensions) - created:
        raise VerificationError(
            f"the platform backup, upon which the tenant is restored, lacks extension "
            f"{', '.join(sorted(lacking))}; back up the platform and verify again"
        )


def speaks_english(lc_messages: str) -> bool:
    """Whether a server with this setting has messages in English."""
    return _ENGLISH.match(lc_messages) is not None


def _require_fit_session(database: ConnInfo) -> None:
    """Raise when the scratch server would make a good backup look bad.

    Raises:
        VerificationError: its messages, by which a bad moment is told from a bad backup, are not
            English; or the role that restores has default privileges, which would grant on each
            table it creates what the backup does not.
    """
    with database.connect() as connection:
        (session,) = query(connection, "scratch_session")
    if not speaks_english(session["lc_messages"]):
        raise VerificationError(
            f"the scratch server's messages are in locale {session['lc_messages']!r}; set "
            "lc_messages = 'C' in its configuration"
        )
    if session["has_default_privileges"]:
        raise VerificationError(
            f"role {session['role']} of the scratch server has default privileges, by which what "
            "it restores gets other grants; let SCRATCH_DATABASE_URL name a role of its own"
        )


@contextmanager
def _platform_database(verifier: Verifier, ref: BackupRef | None) -> Iterator[_Template | None]:
    """The platform backup, restored and verified, as a template for tenants' databases."""
    if ref is None:
        yield None
        return
    findings = Findings(verifier, ref)
    with _proven(findings, None) as database:
        verdict = findings.verdict()
        if verdict.status is not Status.VERIFIED or database is None:
            raise VerificationError(
                f"platform backup {ref.backup_id}, upon which the tenant is restored, failed: "
                f"{verdict.summary}; back up the platform and verify again"
            )
        with database.connect(autocommit=True) as connection:
            connection.execute(load_sql(__file__, "disable_event_triggers"))
        yield _Template(ref, database)
