"""Restore the platform part into an empty database, for tenants to be restored upon."""

from collections.abc import Iterator

from agentarmy_ops.archive.describe import describe
from agentarmy_ops.backups.catalog import find_backup, list_backups, load_manifest
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.backups.pipeline import open_archive
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.plan import unfit_server
from agentarmy_ops.backups.restore.session import Restorer, open_session
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import check_stored
from agentarmy_ops.backups.scratch_restore import pg_restore
from agentarmy_ops.backups.stopping import Stop
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import BackupNotFoundError, RestoreError, RestoreRefusedError
from agentarmy_ops.postgres.tools import ClientTools, find_tools
from agentarmy_ops.stores.base import Store


def choose_platform(store: Store, *, backup_id: str | None = None, force: bool = False) -> Manifest:
    """The manifest of the newest verified backup of the platform part, or of the one of an id;
    ``force`` takes one that is not verified, too.

    Raises:
        BackupNotFoundError: there is none.
        RestoreRefusedError: there are, but none that is verified.
    """
    entries = [find_backup(store, None, backup_id)] if backup_id else list_backups(store, None)
    if not entries:
        raise BackupNotFoundError(f"the platform part has no complete backup in {store.url}")
    fitting = [entry for entry in entries if force or entry.status == Status.VERIFIED]
    if not fitting:
        raise RestoreRefusedError(
            f"backup {entries[-1].ref} is not verified; verify it with 'agentarmy-ops verify "
            "--platform', or give --force"
        )
    return load_manifest(store, fitting[-1].ref)


def restore_platform(restorer: Restorer, manifest: Manifest) -> None:
    """Restore the platform part in one transaction, as a role that may create all it holds.

    Raises:
        RestoreRefusedError: the database is not empty, or lacks what the backup needs; nothing was
            touched.
        RestoreError: pg_restore failed; it left nothing.
        OpsError: the backup or the database cannot be read.
    """
    tools = _look(restorer, manifest)
    restorer.watch(Step.READ, "")
    check_stored(restorer.store, restorer.keys, manifest)
    restorer.watch(Step.DEFINITIONS, "")
    with pg_restore(
        restorer.database, tools, manifest, stop=Stop(), all_or_nothing=True, to_last=True
    ) as process:
        opened = open_archive(restorer.store, manifest.archive, restorer.keys, process.write)
        with opened as (stream, _):
            describe(stream)
        if complaint := process.finish():
            raise RestoreError(
                f"the platform part was not restored, all was rolled back: {complaint}"
            )
    restorer.watch(Step.DONE, "")


def _look(restorer: Restorer, manifest: Manifest) -> ClientTools:
    with open_session(restorer) as connection:
        major = connection.info.server_version // 10000
        refusals = [*_filled(connection), *unfit_server(connection, manifest)]
    if refusals:
        raise RestoreRefusedError(
            f"the platform part is not restored (nothing was touched): {'; '.join(refusals)}"
        )
    return find_tools(major, restorer.bin_dirs)


def _filled(connection: Connection) -> Iterator[str]:
    if taken := query(connection, "filled_schemas", beside=__file__):
        there = ", ".join(row["nspname"] for row in taken[:3])
        yield (
            f"database {connection.info.dbname} is not empty (it has {there}); restore into one "
            "made from template0"
        )
