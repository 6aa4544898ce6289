"""Verify one backup in a scratch database of its own: every cause is looked into."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agentarmy_ops.backups.catalog import load_manifest
from agentarmy_ops.backups.findings import Findings, Verifier
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.proof import prove
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.verdict import Verdict
from agentarmy_ops.backups.workbench import prepared
from agentarmy_ops.errors import ArchiveError, OpsError, VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo

_ENGLISH = re.compile(r"(C|POSIX)(\.|$)|en_|English")


@dataclass(frozen=True)
class Template:
    """A scratch database that holds a platform backup."""

    ref: BackupRef
    database: ConnInfo


def findings_upon(verifier: Verifier, ref: BackupRef, template: Template | None) -> Findings:
    """Nothing found yet of a backup that is restored upon ``template``."""
    findings = Findings(verifier, ref)
    if template:
        findings.platform_backup_id = template.ref.backup_id
    return findings


def verify_alone(verifier: Verifier, ref: BackupRef, template: Template | None) -> Verdict:
    """The verdict on one backup, of a tenant or of the platform part."""
    findings = findings_upon(verifier, ref, template)
    try:
        with proven(findings, template.database if template else None):
            return findings.verdict()
    except OpsError as error:
        return findings.verdict(error)


@contextmanager
def proven(findings: Findings, template: ConnInfo | None) -> Iterator[ConnInfo | None]:
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
        with bench.database.connect(autocommit=True) as connection:
            if manifest.tenant:
                require_platform_part(manifest, template, connection)
            require_fit_session(connection)
        prove(findings, manifest, bench)
        yield bench.database


def require_platform_part(
    manifest: Manifest, template: ConnInfo | None, connection: Connection
) -> None:
    """Raise when what the tenant needs cannot be there yet: that says nothing of its backup.

    Raises:
        VerificationError: no platform backup, or one of before the tenant's extensions.
        DatabaseError: the scratch server failed.
    """
    needs = manifest.needs
    if template is None and (needs.outside_objects or needs.extensions):
        raise VerificationError(
            "there is no platform backup, upon which the tenant is restored; back up the platform "
            "and verify again"
        )
    created = {row["extname"] for row in query(connection, "created_extensions")}
    if lacking := set(needs.extensions) - created:
        raise VerificationError(
            f"the platform backup, upon which the tenant is restored, lacks extension "
            f"{', '.join(sorted(lacking))}; back up the platform and verify again"
        )


def speaks_english(lc_messages: str) -> bool:
    """Whether a server with this setting has messages in English."""
    return _ENGLISH.match(lc_messages) is not None


def require_fit_session(connection: Connection) -> None:
    """Raise when the scratch server would make a good backup look bad.

    Raises:
        VerificationError: its messages, by which a bad moment is told from a bad backup, are not
            English; or the role that restores has default privileges, which would grant on each
            table it creates what the backup does not.
        DatabaseError: the scratch server failed.
    """
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
