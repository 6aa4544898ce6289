"""Which backups share a scratch database: those that keep to themselves, and not too many."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agentarmy_ops.archive.fingerprint import EntryFingerprint
from agentarmy_ops.backups.catalog import load_manifest
from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.plan import LOCK_SHARE
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.workbench import facts_of
from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.scratch import DatabaseFacts

# Of a batch. More tenants save next to nothing; these bound what is restored in vain when a
# batch comes to nothing.
MOST_TENANTS = 100
# Of the batch's archives, uncompressed: a scratch database takes about twice as much.
MOST_BYTES = 256 << 20
_RELATIONS = frozenset(
    {
        "CONSTRAINT",  # for its index
        "FOREIGN TABLE",
        "INDEX",
        "MATERIALIZED VIEW",
        "SEQUENCE",
        "TABLE",
        "VIEW",
    }
)
_IN_EVERY_ARCHIVE = frozenset({"ENCODING", "SEARCHPATH", "STDSTRINGS"})
_ATTACHED = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})


@dataclass(frozen=True)
class Candidate:
    """A backup to be verified; ``manifest`` is None where it must be alone."""

    ref: BackupRef
    manifest: Manifest | None = None


@dataclass
class _Batch:
    """Candidates for one scratch database, while it is being filled."""

    kind: tuple[int, DatabaseFacts]
    tenants: int
    relations: int
    bytes: int = MOST_BYTES
    candidates: list[Candidate] = field(default_factory=list)
    schemas: set[str] = field(default_factory=set)

    def take(self, ref: BackupRef, manifest: Manifest, schema: str) -> bool:
        """Add a backup, unless it does not fit any more."""
        relations = relations_of(manifest)
        if (
            self.kind != _kind(manifest)
            or schema in self.schemas
            or len(self.candidates) >= self.tenants
            or relations > self.relations
            or manifest.archive.plain_bytes > self.bytes
        ):
            return False
        self.candidates.append(Candidate(ref, manifest))
        self.schemas.add(schema)
        self.relations -= relations
        self.bytes -= manifest.archive.plain_bytes
        return True


def plan(verifier: Verifier, refs: Sequence[BackupRef]) -> Iterator[list[Candidate]]:
    """Batches of tenants' backups, each made when asked for; one that must not share a scratch
    database is a batch by itself.

    The backups of one batch are of different tenants and of databases that are alike, and leave
    room in the scratch server's lock table for a dump of the batch beside those of other jobs.
    """
    tenants = min(MOST_TENANTS, -(-len(refs) // verifier.jobs))
    batch: _Batch | None = None
    for ref in _interleaved(refs):
        try:
            manifest = load_manifest(verifier.store, ref)
        except OpsError:
            yield [Candidate(ref)]  # to be told why
            continue
        if not keeps_to_itself(manifest):
            yield [Candidate(ref)]
            continue
        schema = _schema(manifest)
        if batch and batch.take(ref, manifest, schema):
            continue
        if batch:
            yield batch.candidates
        batch = _Batch(_kind(manifest), tenants, _room(verifier, manifest))
        if not batch.take(ref, manifest, schema):
            yield [Candidate(ref)]  # too large to share
            batch = None
    if batch:
        yield batch.candidates


def _interleaved(refs: Sequence[BackupRef]) -> list[BackupRef]:
    """One backup of each tenant, then the second of each, ..."""
    seen: Counter[str | None] = Counter()
    rounds = []
    for ref in refs:
        rounds.append((seen[ref.slug], ref))
        seen[ref.slug] += 1
    return [ref for _, ref in sorted(rounds, key=lambda item: item[0])]


def _kind(manifest: Manifest) -> tuple[int, DatabaseFacts]:
    return manifest.snapshot.server_major, facts_of(manifest)


def _schema(manifest: Manifest) -> str:
    return manifest.tenant.schema_name if manifest.tenant else ""


def _room(verifier: Verifier, manifest: Manifest) -> int:
    """How many relations one batch may hold; none where the scratch server is not there."""
    try:
        scratch = verifier.scratch_for(manifest.snapshot.server_major)
        return int(scratch.lock_table * LOCK_SHARE / verifier.jobs)
    except OpsError:
        return 0


def relations_of(manifest: Manifest) -> int:
    """At most how many relations a dump of the restored backup locks."""
    return sum(entry.desc in _RELATIONS for entry in manifest.fingerprint.entries)


def keeps_to_itself(manifest: Manifest) -> bool:
    """Whether everything in the archive is in the tenant's own schema, or is that schema: a
    restore of it then leaves its neighbours' as they are."""
    schema = _schema(manifest)
    return bool(schema) and all(_is_of(schema, entry) for entry in manifest.fingerprint.entries)


def _is_of(schema: str, entry: EntryFingerprint) -> bool:
    if entry.namespace:
        return entry.namespace == schema
    return (
        entry.desc in _IN_EVERY_ARCHIVE
        or (entry.desc == "SCHEMA" and entry.tag == schema)
        or (entry.desc in _ATTACHED and entry.tag == f"SCHEMA {schema}")
    )
