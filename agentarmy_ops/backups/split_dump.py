"""One pg_dump of many tenants, split while it streams into an archive for each in the store."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from threading import BoundedSemaphore
from typing import Protocol

from agentarmy_ops.archive.data import Sink, ignore
from agentarmy_ops.archive.describe import Description
from agentarmy_ops.archive.split import Part, split
from agentarmy_ops.backups.commit import Begun, View
from agentarmy_ops.backups.dump import cancel, pg_dump, schema_patterns
from agentarmy_ops.backups.inventory import Inventory
from agentarmy_ops.backups.manifest import Encryption, Manifest, TenantFacts
from agentarmy_ops.backups.pipeline import ArchiveWriter
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.errors import BackupError, OpsError
from agentarmy_ops.tenants.registry import Tenant

# Archives that are complete wait, with their manifests, for the store; so many at a time.
_COMMITTERS = 4
_MOST_WAITING = 2 * _COMMITTERS


class Reporter(Protocol):
    """Is told what becomes of tenants, in any thread."""

    def done(self, tenant: Tenant, manifest: Manifest) -> None:
        """The tenant has a complete backup."""
        ...

    def failed(self, tenant: Tenant, error: OpsError) -> None:
        """The tenant has none, for a reason of its own."""
        ...

    def changed(self, tenant: Tenant, error: OpsError) -> None:
        """The tenant was altered since the snapshot, and needs another."""
        ...


@dataclass
class _Archive:
    """One tenant's archive on its way into the store. What fails here fails this tenant only."""

    tenant: Tenant
    begun: Begun
    writer: ArchiveWriter
    error: OpsError | None = None

    def write(self, data: memoryview) -> None:
        """Add a piece; nothing happens once the store has failed."""
        if self.error is None:
            try:
                self.writer.write(data)
            except OpsError as error:
                self.error = error
                self.writer.abandon()

    def commit(self, view: View, description: Description) -> Manifest:
        """Complete the object, then write its manifest."""
        with self.writer:
            if self.error is not None:
                raise self.error
            _refuse_missing_tables(self.tenant, self.begun.inventory, description)
            return self.begun.commit(view, self.writer.finish(), description)


def _refuse_missing_tables(tenant: Tenant, inventory: Inventory, description: Description) -> None:
    """Catalogue and archive are of one snapshot: a table of the one is in the other."""
    archived = {table.table for table in description.fingerprint.tables}
    if missing := sorted(inventory.tables - archived):
        raise BackupError(
            f"tenant {tenant.slug} cannot be backed up: pg_dump left out the rows of "
            f"{', '.join(missing)}"
        )


class SplitDump:
    """Dumps the schemas of ``tenants``, all of which have an inventory, in one pass; encrypted
    as ``encryptions`` says, also by schema.

    One that ``is_large`` gets a thread, and the memory that takes, for its compression.
    """

    def __init__(
        self,
        view: View,
        tenants: Mapping[str, Tenant],
        inventories: Mapping[str, Inventory],
        reporter: Reporter,
        stop: Stop,
        *,
        encryptions: Mapping[str, Encryption | None],
        is_large: bool,
    ) -> None:
        self._view = view
        self._tenants = dict(tenants)
        self._inventories = inventories
        self._encryptions = encryptions
        self._reporter = reporter
        self._stop = stop
        self._is_large = is_large
        self._rewritten: Mapping[str, str] | None = None
        self._begun: set[str] = set()
        self._open: dict[str, _Archive] = {}
        self._commits: list[Future[None]] = []
        self._room = BoundedSemaphore(_MOST_WAITING)

    def run(self) -> None:
        """Dump; each tenant is reported when its manifest is written, or when it failed.

        Raises:
            TableLockedError: pg_dump did not get a lock; no tenant was reported.
            ClientToolError, ArchiveError: pg_dump, or what it wrote, failed; tenants that were
                not reported have no backup.
        """
        options = replace(
            self._view.options, started=lambda process: self._stop.ends(partial(cancel, process))
        )
        schemas = list(self._tenants)
        conninfo = self._view.work.source.conninfo
        complete: Part | None = None
        with ThreadPoolExecutor(_COMMITTERS, "commit") as committers, ExitStack() as cleanup:
            cleanup.callback(self._abandon)
            with pg_dump(conninfo, options, schema_patterns(schemas)) as dump:
                for part in split(dump, schemas, self._begin):
                    # A part waits for the next, and the last for pg_dump to end well.
                    if complete:
                        self._submit(committers, complete)
                    complete = part
            if complete:
                self._submit(committers, complete)
        for commit in self._commits:
            commit.result()  # raises what should not have happened
        for schema in schemas:
            if schema not in self._begun:
                self._changed(schema, "its schema was dropped or renamed")

    def _submit(self, committers: ThreadPoolExecutor, part: Part) -> None:
        if archive := self._open.pop(part.schema, None):
            self._room.acquire()
            self._commits.append(committers.submit(self._commit, archive, part.description))

    def _abandon(self) -> None:
        for archive in self._open.values():
            archive.writer.abandon()

    def _begin(self, schema: str) -> Sink:
        """Where the archive of a schema goes."""
        self._begun.add(schema)
        if self._rewritten is None:
            # The first bytes of data: pg_dump holds its locks on all tables.
            self._rewritten = self._view.snapshot.rewritten(list(self._tenants))
        if table := self._rewritten.get(schema):
            self._changed(schema, f"its table {table} was truncated, rewritten or dropped")
            return ignore
        tenant = self._tenants[schema]
        ref = BackupRef.new(tenant.slug)
        begun = Begun(
            ref,
            self._inventories[schema],
            TenantFacts(id=tenant.id, slug=tenant.slug, name=tenant.name, schema_name=schema),
        )
        source = self._view.work.source
        writer = ArchiveWriter(
            self._view.work.store,
            ref,
            source.compression_level,
            encryption=self._encryptions[schema],
            threads=1 if self._is_large else 0,
        )
        archive = self._open[schema] = _Archive(tenant, begun, writer)
        return archive.write

    def _changed(self, schema: str, how: str) -> None:
        tenant = self._tenants[schema]
        self._reporter.changed(
            tenant,
            BackupError(f"tenant {tenant.slug} was altered during its backup: {how}; try again"),
        )

    def _commit(self, archive: _Archive, description: Description) -> None:
        try:
            manifest = archive.commit(self._view, description)
        except OpsError as error:
            self._reporter.failed(archive.tenant, error)
        else:
            self._reporter.done(archive.tenant, manifest)
        finally:
            self._room.release()
