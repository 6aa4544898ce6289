"""Back up tenants, or the platform part, from one snapshot of the live database."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import monotonic

from agentarmy_ops.archive.describe import Description, describe
from agentarmy_ops.archive.exclude import exclude_entries
from agentarmy_ops.backups.dump import DumpOptions, pg_dump, platform_patterns, schema_pattern
from agentarmy_ops.backups.manifest import (
    Manifest,
    Needs,
    OutsideObject,
    SnapshotFacts,
    TenantFacts,
)
from agentarmy_ops.backups.pipeline import create_archive, observed
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.snapshot import (
    NOTHING,
    Inventory,
    Snapshot,
    no_timeouts,
    open_snapshot,
    query,
    roles_of,
)
from agentarmy_ops.errors import BackupError, OpsError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX

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
class BackupSource:
    """The live database as the backup role, and how to read it.

    ``lock_timeout_seconds`` bounds the wait for a tenant's advisory lock and for its tables'.
    """

    conninfo: ConnInfo
    bin_dirs: tuple[Path, ...] = ()
    lock_timeout_seconds: int = 60
    compression_level: int = 3


@dataclass(frozen=True)
class BackupOutcome:
    """What became of one tenant of a batch: a complete backup, or the reason there is none."""

    tenant: Tenant
    manifest: Manifest | None
    error: OpsError | None = None


@dataclass(frozen=True)
class _Work:
    """A backup under way: where it is read from and written to, and since when."""

    source: BackupSource
    store: Store
    snapshot: Snapshot
    run_id: str | None

    @cached_property
    def options(self) -> DumpOptions:
        """How every pg_dump of this snapshot is run."""
        return DumpOptions(
            tools=find_tools(self.snapshot.server_major, self.source.bin_dirs),
            lc_monetary=self.snapshot.facts["lc_monetary"],
            snapshot=self.snapshot.exported,
            lock_timeout_seconds=self.source.lock_timeout_seconds,
        )


def back_up_tenants(
    source: BackupSource, store: Store, tenants: Sequence[Tenant], *, run_id: str | None = None
) -> Iterator[BackupOutcome]:
    """Back up a batch of tenants from one snapshot; yields each outcome as it is known.

    A tenant that fails does not stop the others. Each is backed up under its advisory lock.

    Raises:
        OpsError: before the first outcome, when no tenant can be backed up at all: the server
            cannot be reached, the role cannot see all rows, the client tools do not fit.
    """
    with (
        open_snapshot(
            source.conninfo, lock_timeout_seconds=source.lock_timeout_seconds
        ) as snapshot,
        source.conninfo.connect(autocommit=True) as locks,
    ):
        no_timeouts(locks)
        work = _Work(source, store, snapshot, run_id)
        _ = work.options  # unfit client tools fail the batch, not each tenant
        inventories = snapshot.inventory([tenant.schema_name for tenant in tenants])
        for tenant in tenants:
            try:
                with tenant_lock(locks, tenant.slug, timeout_seconds=source.lock_timeout_seconds):
                    manifest = _back_up_tenant(work, tenant, inventories.get(tenant.schema_name))
            except OpsError as error:
                yield BackupOutcome(tenant, None, error)
            else:
                yield BackupOutcome(tenant, manifest)


def _back_up_tenant(work: _Work, tenant: Tenant, inventory: Inventory | None) -> Manifest:
    if inventory is None:
        raise BackupError(
            f"tenant {tenant.slug} has no schema {tenant.schema_name}; provision it again, or "
            "remove its row from shared.tenants"
        )
    inventory.refuse_problems(tenant.slug)
    return _back_up(
        work,
        BackupRef.new(tenant.slug),
        [schema_pattern(tenant.schema_name)],
        check=lambda description: _refuse_missing_tables(tenant, inventory, description),
        tenant=TenantFacts(
            id=tenant.id, slug=tenant.slug, name=tenant.name, schema_name=tenant.schema_name
        ),
        inventory=inventory,
    )


def _refuse_missing_tables(tenant: Tenant, inventory: Inventory, description: Description) -> None:
    """Catalogue and archive are of one snapshot: a table of the one is in the other."""
    archived = {table.table for table in description.fingerprint.tables}
    if missing := sorted(inventory.tables - archived):
        raise BackupError(
            f"tenant {tenant.slug} cannot be backed up: pg_dump left out the rows of "
            f"{', '.join(missing)}"
        )


def back_up_platform(source: BackupSource, store: Store, *, run_id: str | None = None) -> Manifest:
    """Back up everything outside the tenants' schemas.

    What sits on a tenant's objects (casts, publications, views over its tables, ...) is left
    out, for it could not be restored before the tenant; it is named in the manifest, as are
    schemas named like a tenant's that belong to none, and large objects.

    Raises:
        OpsError: there is no backup.
    """
    with open_snapshot(
        source.conninfo, lock_timeout_seconds=source.lock_timeout_seconds
    ) as snapshot:
        work = _Work(source, store, snapshot, run_id)
        snapshot.refuse_large_objects(snapshot.platform_schemas)
        schemas = snapshot.tenant_schemas
        dependents = query(snapshot.connection, "dependent_catalog_ids", schemas=schemas)
        excluded = {(row["classid"], row["objid"]) for row in dependents}
        roles = query(snapshot.connection, "database_roles")
        strangers = query(snapshot.connection, "unregistered_schemas", prefix=SCHEMA_PREFIX)
        left_out = {
            item
            for inventory in snapshot.inventory(schemas).values()
            for item in inventory.left_out
        } | {OutsideObject(type="schema", identity=row["nspname"]) for row in strangers}
        (large_objects,) = query(snapshot.connection, "large_objects")
        if count := large_objects["count"]:
            left_out.add(OutsideObject(type="large objects", identity=f"{count} in the database"))
        return _back_up(
            work,
            BackupRef.new(None),
            platform_patterns(),
            excluded=excluded,
            inventory=replace(
                NOTHING,
                roles=roles_of(roles),
                left_out=tuple(sorted(left_out, key=lambda i: (i.type, i.identity))),
            ),
        )


def _back_up(
    work: _Work,
    ref: BackupRef,
    selection: Sequence[str],
    *,
    inventory: Inventory,
    tenant: TenantFacts | None = None,
    excluded: Set[tuple[int, int]] = frozenset(),
    check: Callable[[Description], None] = lambda _: None,
) -> Manifest:
    """Dump, compress and store one archive, then write its manifest: the commit."""
    started_at, started = datetime.now(UTC), monotonic()
    source, snapshot = work.source, work.snapshot
    with create_archive(work.store, ref.archive, source.compression_level) as writer:
        with pg_dump(source.conninfo, work.options, selection) as stream:
            archive = exclude_entries(stream, excluded) if excluded else stream
            description = describe(observed(archive, writer.write))
        check(description)
        archive_facts = writer.finish(ref.archive)
    owners = roles_of(query(snapshot.connection, "roles_by_name", names=[*description.owners]))
    manifest = Manifest(
        backup_id=ref.backup_id,
        tenant=tenant,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        backup_seconds=monotonic() - started,
        snapshot=SnapshotFacts(
            tool_version=work.options.tools.version,
            **{name: snapshot.facts[name] for name in _SNAPSHOT_FACTS},
        ),
        archive=archive_facts,
        fingerprint=description.fingerprint,
        needs=Needs(
            extensions=inventory.extensions,
            roles=tuple(sorted(inventory.roles | owners, key=lambda role: role.name)),
            outside_objects=inventory.outside_objects,
        ),
        row_level_security=inventory.security,
        not_valid=inventory.not_valid,
        left_out=inventory.left_out,
        run_id=work.run_id,
    )
    with work.store.create(ref.manifest) as commit:
        commit.write(manifest.encode())
    return manifest
