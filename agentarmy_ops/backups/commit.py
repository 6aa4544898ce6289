"""Write the manifest of an archive that is stored whole: from then on, there is a backup."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from time import monotonic

from agentarmy_ops.archive.describe import Description
from agentarmy_ops.backups.dump import DumpOptions
from agentarmy_ops.backups.inventory import Inventory
from agentarmy_ops.backups.manifest import (
    ArchiveFacts,
    Manifest,
    Needs,
    SnapshotFacts,
    TenantFacts,
)
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.snapshot import Snapshot
from agentarmy_ops.backups.source import BackupSource
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops.stores.base import Store

_SNAPSHOT_FACTS = (
    "taken_at",
    "lsn",
    "server_version",
    "database",
    "encoding",
    "collate",
    "ctype",
    "lc_monetary",
)


@dataclass(frozen=True)
class Work:
    """Backups under way: what they are read from and written to, and for which run."""

    source: BackupSource
    store: Store
    run_id: str | None = None


@dataclass(frozen=True)
class View:
    """One snapshot of the live database, and how pg_dump reads it."""

    work: Work
    snapshot: Snapshot

    @cached_property
    def options(self) -> DumpOptions:
        """How a pg_dump of this snapshot is run.

        Raises:
            ClientToolError: there is none for this server.
        """
        return DumpOptions(
            tools=find_tools(self.snapshot.server_major, self.work.source.bin_dirs),
            lc_monetary=self.snapshot.facts["lc_monetary"],
            snapshot=self.snapshot.exported,
            lock_timeout_seconds=self.work.source.lock_timeout_seconds,
        )

    @cached_property
    def facts(self) -> SnapshotFacts:
        """The moment and the database."""
        return SnapshotFacts(
            tool_version=self.options.tools.version,
            **{name: self.snapshot.facts[name] for name in _SNAPSHOT_FACTS},
        )


@dataclass(frozen=True)
class Begun:
    """A backup whose archive is being written."""

    ref: BackupRef
    inventory: Inventory
    tenant: TenantFacts | None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=monotonic)

    def commit(self, view: View, archive: ArchiveFacts, description: Description) -> Manifest:
        """Write the manifest, and return it.

        Raises:
            StoreError: the store failed; there is no backup.
        """
        inventory = self.inventory
        known = view.snapshot.roles
        owners = {known[name] for name in description.owners if name in known}
        manifest = Manifest(
            backup_id=self.ref.backup_id,
            tenant=self.tenant,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            backup_seconds=monotonic() - self.started,
            snapshot=view.facts,
            archive=archive,
            fingerprint=description.fingerprint,
            needs=Needs(
                extensions=inventory.extensions,
                roles=tuple(sorted(inventory.roles | owners, key=lambda role: role.name)),
                outside_objects=inventory.outside_objects,
            ),
            row_level_security=inventory.security,
            not_valid=inventory.not_valid,
            left_out=inventory.left_out,
            run_id=view.work.run_id,
        )
        with view.work.store.create(self.ref.manifest) as writer:
            writer.write(manifest.encode())
        return manifest
