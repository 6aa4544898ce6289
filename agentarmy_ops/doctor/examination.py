"""All checks, in the order in which one needs what another found."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.backups.source import usable_cores
from agentarmy_ops.doctor.backup_role import check_backup_role
from agentarmy_ops.doctor.client_tools import check_bin_dirs, check_client_tools
from agentarmy_ops.doctor.dagster_storage import check_dagster_storage, check_sqlalchemy
from agentarmy_ops.doctor.disk import WRITABLE, check_disk, check_writable
from agentarmy_ops.doctor.environment import check_environment
from agentarmy_ops.doctor.finding import Finding, failed, warn
from agentarmy_ops.doctor.live_database import DatabaseIdentity, check_same_database, identify
from agentarmy_ops.doctor.lock_budget import check_lock_budget
from agentarmy_ops.doctor.partial_files import check_partial_files
from agentarmy_ops.doctor.redis_server import check_redis
from agentarmy_ops.doctor.registry import check_registry
from agentarmy_ops.doctor.reporting import (
    NOTIFICATIONS,
    SENTRY,
    check_notifications,
    check_sentry,
)
from agentarmy_ops.doctor.scratch_server import (
    check_extensions,
    check_leftovers,
    check_scratch_major,
)
from agentarmy_ops.doctor.secrets_store import check_secrets_store
from agentarmy_ops.doctor.tenant_template import check_tenant_template
from agentarmy_ops.errors import DatabaseError, OpsError
from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.tenants.registry import read_registry

if TYPE_CHECKING:
    from agentarmy_ops.stores.gcs import GcsStore

# A half-written file may be growing for as long as the largest tenant takes.
_PARTIAL_AGE = timedelta(days=1)


@dataclass(frozen=True)
class _Live:
    """The live database, open as the backup role."""

    connection: psycopg.Connection[TupleRow]
    owner: str
    identity: DatabaseIdentity


def examine(runtime: Runtime, *, fix: bool = False) -> Iterator[Finding]:
    """Run every check; what cannot be checked because of another finding says so.

    With ``fix``, what killed processes left behind is removed. Nothing else is changed.
    """
    yield from check_environment(runtime.settings)
    yield from check_bin_dirs(runtime.bin_dirs)
    live: DatabaseIdentity | None = None
    try:
        with _open_live(runtime) as opened:
            live = opened.identity
            yield from _guarded("live-database", _check_live(runtime, opened))
            yield from _guarded("scratch-server", _check_scratch(runtime, opened, fix=fix))
    except OpsError as error:
        yield failed("live-database", error)
        yield warn("scratch-server", "not checked without the live database", "mend that first")
    yield from _guarded("backup-store", _check_store(runtime, live, fix=fix))
    yield from _guarded("secrets-store", _check_secrets(runtime))
    yield check_tenant_template(runtime.settings.tenant_sql_dir)
    yield check_redis(runtime.settings.redis_url)
    yield from _guarded("dagster-storage", _check_dagster(runtime))
    yield from _guarded(SENTRY, check_sentry(runtime.settings))
    yield from _guarded(NOTIFICATIONS, check_notifications(runtime.settings))


def _guarded(check: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """An error inside a check is what it found."""
    try:
        yield from findings
    except OpsError as error:
        yield failed(check, error)
    except psycopg.Error as error:
        yield failed(check, DatabaseError(reason(error)))


@contextmanager
def _open_live(runtime: Runtime) -> Iterator[_Live]:
    with runtime.owner.connect() as connection:
        owner, identity = connection.info.user, identify(connection)
    with runtime.backup.connect(autocommit=True) as connection:
        yield _Live(connection, owner, identity)


def _check_live(runtime: Runtime, live: _Live) -> Iterator[Finding]:
    settings = runtime.settings
    connection, version = live.connection, live.identity.version
    yield from check_same_database(live.identity, identify(connection))
    yield check_client_tools("live", version, runtime.bin_dirs)
    yield from check_backup_role(connection, live.owner, settings.environment)
    yield from _guarded("registry", _check_registry(connection))
    yield from check_lock_budget(
        connection, live.identity.lock_slots, settings.concurrent_dumps or usable_cores()
    )


def _check_registry(connection: psycopg.Connection[TupleRow]) -> Iterator[Finding]:
    yield from check_registry(connection, read_registry(connection))


def _check_scratch(runtime: Runtime, live: _Live, *, fix: bool) -> Iterator[Finding]:
    scratch = runtime.scratch(int(live.identity.version.partition(".")[0]))
    version = scratch.server_version()
    yield check_scratch_major(live.identity.version, version)
    yield check_client_tools("scratch", version, runtime.bin_dirs)
    yield from check_extensions(live.connection, scratch)
    age = timedelta(hours=runtime.settings.scratch_database_max_age_hours)
    yield check_leftovers(scratch, age, fix=fix)


def _check_store(
    runtime: Runtime, live: DatabaseIdentity | None, *, fix: bool
) -> Iterator[Finding]:
    store, size = runtime.store, live.size_bytes if live else 0
    if isinstance(store, LocalStore):
        root = path_of_url(store.url, name="BACKUP_STORE_URL")
        yield from check_writable(WRITABLE, root)
        yield check_disk("backups", root, size)
        yield check_partial_files(store, root, _PARTIAL_AGE, fix=fix)
    elif store.url.startswith("gs://"):
        # Half a second of imports, which a store that is a folder does not need.
        from agentarmy_ops.doctor.bucket import check_bucket  # noqa: PLC0415

        yield from check_bucket(cast("GcsStore", store))
    if runtime.settings.scratch_database_url is None:
        yield check_disk("scratch databases", runtime.home, size)


def _check_secrets(runtime: Runtime) -> Iterator[Finding]:
    url = runtime.settings.secrets_store_url or str(runtime.home / "secrets")
    yield from check_secrets_store(runtime.secrets, url)


def _check_dagster(runtime: Runtime) -> Iterator[Finding]:
    url = runtime.dagster_url
    yield check_sqlalchemy(url, sys.path)
    yield from check_dagster_storage(url)
