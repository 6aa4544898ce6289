"""Back up everything outside the tenants' schemas."""

from dataclasses import replace

from agentarmy_ops.archive.describe import describe
from agentarmy_ops.archive.exclude import exclude_entries
from agentarmy_ops.backups.commit import Begun, View, Work
from agentarmy_ops.backups.dump import pg_dump, platform_patterns
from agentarmy_ops.backups.inventory import NOTHING, Inventory, roles_of
from agentarmy_ops.backups.manifest import Manifest, OutsideObject
from agentarmy_ops.backups.pipeline import ArchiveWriter, observed
from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.backups.snapshot import Snapshot, open_snapshot
from agentarmy_ops.backups.source import BackupSource
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX


def back_up_platform(source: BackupSource, store: Store, *, run_id: str | None = None) -> Manifest:
    """Back up everything outside the tenants' schemas.

    What sits on a tenant's objects (casts, publications, views over its tables, ...) is left
    out, for it could not be restored before the tenant; it is named in the manifest, as are
    schemas named like a tenant's that belong to none, and large objects.

    Raises:
        OpsError: there is no backup.
    """
    encryption = source.keys.encryption(None)
    with open_snapshot(
        source.conninfo, lock_timeout_seconds=source.lock_timeout_seconds
    ) as snapshot:
        view = View(Work(source, store, run_id), snapshot)
        snapshot.refuse_large_objects(snapshot.platform_schemas)
        schemas = snapshot.tenant_schemas
        dependents = query(snapshot.connection, "dependent_catalog_ids", schemas=schemas)
        excluded = {(row["classid"], row["objid"]) for row in dependents}
        begun = Begun(BackupRef.new(None), _inventory(snapshot), tenant=None)
        level = source.compression_level
        with ArchiveWriter(store, begun.ref, level, encryption=encryption) as writer:
            with pg_dump(source.conninfo, view.options, platform_patterns()) as stream:
                archive = exclude_entries(stream, excluded) if excluded else stream
                description = describe(observed(archive, writer.write))
            return begun.commit(view, writer.finish(), description)


def _inventory(snapshot: Snapshot) -> Inventory:
    """Roles the platform needs, and what is left out of it."""
    connection = snapshot.connection
    roles = query(connection, "database_roles")
    strangers = query(connection, "unregistered_schemas", prefix=SCHEMA_PREFIX)
    left_out = {
        item
        for inventory in snapshot.inventory(snapshot.tenant_schemas).values()
        for item in inventory.left_out
    } | {OutsideObject(type="schema", identity=row["nspname"]) for row in strangers}
    (large_objects,) = query(connection, "large_objects")
    if count := large_objects["count"]:
        left_out.add(OutsideObject(type="large objects", identity=f"{count} in the database"))
    return replace(
        NOTHING,
        roles=roles_of(roles),
        left_out=tuple(sorted(left_out, key=lambda i: (i.type, i.identity))),
    )
