"""Load what was changed in a scratch database into the database it is meant for."""

from collections.abc import Iterator
from contextlib import contextmanager

from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.load import Loadable
from agentarmy_ops.backups.restore.script import Script, write_script
from agentarmy_ops.backups.restore.session import Restorer, open_session
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.errors import RestoreError
from agentarmy_ops.postgres.tools import find_tools
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops.tenants.slug import SCHEMA_PREFIX


@contextmanager
def locked(restorer: Restorer, archive: Loadable, slug: str) -> Iterator[tuple[Connection, Script]]:
    """The session that is going to load the archive, under the tenant's lock, and its script.

    Raises:
        TenantBusyError: another operation holds the tenant's lock.
        OpsError: the database cannot be reached, or pg_restore failed.
    """
    with open_session(restorer, archive.session_options()) as connection:
        tools = find_tools(connection.info.server_version // 10000, restorer.bin_dirs)
        script = write_script(archive.description.toc, tools)
        restorer.watch(Step.LOCK, "")
        with tenant_lock(connection, slug, timeout_seconds=restorer.lock_timeout_seconds):
            yield connection, script


def refuse_references(connection: Connection, schema: str) -> None:
    """Raise if what was loaded, in the current transaction, refers to another tenant's schema.

    Raises:
        RestoreError: it does; the reference is named.
    """
    for row in query(connection, "references", schemas=[schema]):
        if (row["outside_schema"] or "").startswith(SCHEMA_PREFIX):
            raise RestoreError(
                f"schema {schema} would refer to {row['type']} {row['identity']} of another "
                "tenant's schema"
            )
