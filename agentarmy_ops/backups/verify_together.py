"""Prove a batch of backups in one scratch database, with one dump of all of them.

What is found here is only ever *verified*: whoever is not found equal and fine is verified alone.
So that no neighbour helps a tenant to be restored, each finds the database as it would alone:
those restored before are renamed while it is restored, so that nothing finds them by their name,
and none stays whose rows a table elsewhere gives, too. And the platform part must be in the end
what it was before, or the batch says nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import LiteralString

import psycopg
from psycopg import sql

from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.fingerprint import Fingerprint
from agentarmy_ops.backups.dump import platform_patterns
from agentarmy_ops.backups.findings import Findings, Verifier
from agentarmy_ops.backups.proof import read_and_restore
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restored_state import check_restored, restored_states
from agentarmy_ops.backups.verify_alone import (
    Template,
    findings_upon,
    require_fit_session,
    require_platform_part,
)
from agentarmy_ops.backups.verify_plan import Candidate
from agentarmy_ops.backups.verify_reprints import accept_reprints
from agentarmy_ops.backups.verify_restored import Restored, dump_again
from agentarmy_ops.backups.workbench import Bench, facts_of, look_up
from agentarmy_ops.errors import DatabaseError, OpsError
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

# Begins a name that no tenant's schema has, and that the platform part does not hold.
_ASIDE = f"{SCHEMA_PREFIX}#"


def prove_together(
    verifier: Verifier, batch: Sequence[Candidate], template: Template | None
) -> list[Findings]:
    """What was found of those backups of the batch that are verified. Nothing is said of others.

    Raises:
        OpsError: the batch came to nothing.
    """
    with _prepared(verifier, batch, template) as bench:
        before = _platform(bench, batch)
        with bench.database.connect(autocommit=True) as session:
            require_fit_session(session)
            restored = _restore_each(bench, session, batch, verifier, template)
            if not restored:
                return []
            dump_again(bench, restored)
            equal = [one for one in restored if one.is_equal]
            equal += accept_reprints(bench, [one for one in restored if not one.is_equal])
            states = restored_states(session, [one.schema for one in equal])
        for one in equal:
            check_restored(one.findings, one.manifest, states[one.schema])
        if _platform(bench, batch) != before:
            return []
    return [one.findings for one in equal if not one.findings.causes]


@contextmanager
def _prepared(
    verifier: Verifier, batch: Sequence[Candidate], template: Template | None
) -> Iterator[Bench]:
    """A scratch database for the batch, whose backups are of databases that are alike."""
    manifests = [one.manifest for one in batch if one.manifest]
    first = manifests[0]
    tools, scratch = look_up(Findings(verifier, batch[0].ref), first)
    roles = [role for manifest in manifests for role in manifest.needs.roles]
    scratch.ensure_roles({role.name: False for role in roles})
    scratch.ensure_roles({role.name: True for role in roles if role.bypasses_rls})
    another_database = partial(
        scratch.database, facts_of(first), template=template.database if template else None
    )
    with another_database() as database:
        yield Bench(database, another_database, tools, verifier.stop, shared=True)


def _platform(bench: Bench, batch: Sequence[Candidate]) -> Fingerprint:
    """What a dump of everything outside the tenants' schemas gives."""
    lc_monetary = next(one.manifest.snapshot.lc_monetary for one in batch if one.manifest)
    with bench.dump(bench.database, platform_patterns(), lc_monetary) as stream:
        return describe(stream).fingerprint


def _restore_each(
    bench: Bench,
    session: Connection,
    batch: Sequence[Candidate],
    verifier: Verifier,
    template: Template | None,
) -> list[Restored]:
    """Restore one backup after the other; those without a flaw.

    Raises:
        DatabaseError: the scratch server failed.
    """
    restored: list[Restored] = []
    for candidate in batch:
        findings = findings_upon(verifier, candidate.ref, template)
        manifest = candidate.manifest
        if manifest is None or manifest.tenant is None:
            continue
        one = None
        with suppress(OpsError):
            look_up(findings, manifest)
            require_platform_part(manifest, template.database if template else None, session)
            archived = read_and_restore(findings, manifest, bench)
            if archived and not findings.causes:
                one = Restored(findings, manifest, manifest.tenant.schema_name, archived)
        # Through a parent elsewhere its rows would be seen by its neighbours, by whatever name.
        if one and not query(session, "outside_parents", schema=one.schema):
            restored.append(one)
            _alter(session, "ALTER SCHEMA {} RENAME TO {}", one.schema, _aside(len(restored)))
        _drop_what_is_not_aside(session)
    for number, one in enumerate(restored, 1):
        _alter(session, "ALTER SCHEMA {} RENAME TO {}", _aside(number), one.schema)
    return restored


def _aside(number: int) -> str:
    return f"{_ASIDE}{number}"


def _drop_what_is_not_aside(session: Connection) -> None:
    """Rid the database of tenants' schemas that are not kept, whatever archive they came from."""
    for row in query(session, "schemas_with_prefix", prefix=SCHEMA_PREFIX):
        if not row["nspname"].startswith(_ASIDE):
            _alter(session, "DROP SCHEMA {} CASCADE", row["nspname"])


def _alter(session: Connection, statement: LiteralString, *schemas: str) -> None:
    try:
        session.execute(sql.SQL(statement).format(*map(sql.Identifier, schemas)))
    except psycopg.Error as error:
        raise DatabaseError(f"cannot put schema {schemas[0]} aside: {reason(error)}") from error
