"""From settings to the things the work is done with: databases, stores, scratch servers.

The CLI and the Dagster resources both start here, so they act on the same tenants and backups.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from pydantic import SecretStr

from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.prune import Pruner
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Watch, unwatched
from agentarmy_ops.backups.retention import Policy
from agentarmy_ops.backups.source import MIB, BackupSource, usable_cores
from agentarmy_ops.errors import OpsError
from agentarmy_ops.observability.notify import Notifier
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.steps import Watch as OffboardingWatch
from agentarmy_ops.offboarding.steps import unwatched as offboarding_unwatched
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.scratch import ScratchServer
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.secrets.factory import open_secrets_store
from agentarmy_ops.servers import (
    APPLICATION_DATABASE,
    DAGSTER_DATABASE,
    refuse_live,
    start_live,
    start_scratch,
    stop_all,
)
from agentarmy_ops.settings import Settings, load_settings
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.factory import open_store
from agentarmy_ops.tenants.bootstrap import BACKUP_ROLE, OWNER_ROLE
from agentarmy_ops.tenants.provision import ProvisionResult, provision_tenant
from agentarmy_ops.tenants.redis_keys import mark_initialized

if TYPE_CHECKING:
    from google.cloud.storage import Client

# For those who read the registry again and again: a server that is gone must not hold them up.
_CONNECT_SECONDS = 10


class Runtime:
    """What one process works with. Embedded servers are started when first asked for."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        gcs_client: "Callable[[], Client] | None" = None,
    ) -> None:
        """``gcs_client`` makes the client of a ``gs://`` store; see
        :func:`~agentarmy_ops.stores.factory.open_store`."""
        self.settings = settings or load_settings()
        self._gcs_client = gcs_client
        self._reaped: set[int] = set()

    @property
    def home(self) -> Path:
        """``AGENTARMY_HOME``."""
        return self.settings.agentarmy_home

    @cached_property
    def owner(self) -> ConnInfo:
        """The application database, as the role that owns the tenants' schemas."""
        if self.settings.database_url:
            return _parse(self.settings.database_url, "DATABASE_URL")
        return self._embedded.with_params(user=OWNER_ROLE, dbname=APPLICATION_DATABASE)

    @cached_property
    def backup(self) -> ConnInfo:
        """The application database, as the role that may read every row and write none."""
        if self.settings.backup_database_url:
            return _parse(self.settings.backup_database_url, "BACKUP_DATABASE_URL")
        if self.settings.database_url:
            return self.owner
        return self._embedded.with_params(user=BACKUP_ROLE, dbname=APPLICATION_DATABASE)

    @cached_property
    def dagster_url(self) -> str:
        """The URL of Dagster's storage, password included."""
        if self.settings.dagster_database_url:
            return _parse(self.settings.dagster_database_url, "DAGSTER_DATABASE_URL").url
        return self._embedded.with_params(dbname=DAGSTER_DATABASE).url

    @cached_property
    def store(self) -> Store:
        """The backup store."""
        return open_store(
            self.settings.backup_store_url or str(self.home / "backups"),
            gcs_client=self._gcs_client,
        )

    @cached_property
    def secrets(self) -> SecretsStore:
        """The secrets store."""
        return open_secrets_store(self.settings.secrets_store_url or str(self.home / "secrets"))

    @cached_property
    def keys(self) -> Keys:
        """The keys of backups."""
        return Keys(
            self.secrets,
            encrypts=self.settings.encrypts_backups,
            recovery_recipient=self.settings.backup_recovery_recipient,
        )

    @cached_property
    def notifier(self) -> Notifier:
        """Whom to tell of failures; see :mod:`agentarmy_ops.observability.notify`."""
        return Notifier.from_settings(self.settings)

    @cached_property
    def bin_dirs(self) -> tuple[Path, ...]:
        """Where client tools are looked for first."""
        return tuple(self.settings.bin_dirs)

    def provision(
        self,
        slug: str,
        *,
        name: str | None = None,
        admin_email: str | None = None,
        admin_password: SecretStr | None = None,
    ) -> ProvisionResult:
        """:func:`~agentarmy_ops.tenants.provision.provision_tenant` as the settings say."""
        return provision_tenant(
            self.owner,
            slug=slug,
            name=name,
            admin_email=admin_email,
            admin_password=admin_password,
            secrets=self.secrets,
            redis_url=self.settings.redis_url,
            template_dir=self.settings.tenant_sql_dir,
            lock_timeout_seconds=self.settings.lock_timeout_seconds,
        )

    def source(self) -> BackupSource:
        """What backups are made from."""
        return BackupSource(
            conninfo=self.backup,
            bin_dirs=self.bin_dirs,
            lock_timeout_seconds=self.settings.lock_timeout_seconds,
            compression_level=self.settings.backup_compression_level,
            concurrent_dumps=self.settings.concurrent_dumps or usable_cores(),
            batch_bytes=self.settings.dump_batch_mib * MIB,
            keys=self.keys,
        )

    def restorer(self, *, watch: Watch = unwatched, identity_file: Path | None = None) -> Restorer:
        """What tenants are restored with; ``identity_file`` decrypts in place of their keys."""
        return Restorer(
            database=self.owner,
            store=self.store,
            keys=replace(self.keys, identity_file=identity_file),
            bin_dirs=self.bin_dirs,
            lock_timeout_seconds=self.settings.lock_timeout_seconds,
            watch=watch,
        )

    def offboarder(
        self, run_id: str | None = None, *, watch: OffboardingWatch = offboarding_unwatched
    ) -> Offboarder:
        """What tenants are offboarded with."""
        return Offboarder(
            restorer=self.restorer(),
            source=self.source(),
            verifier=self.verifier(run_id),
            secrets=self.secrets,
            redis_url=self.settings.redis_url,
            cooling_off=timedelta(days=self.settings.offboarding_cooling_off_days),
            run_id=run_id,
            watch=watch,
        )

    def tell_redis(self, tenant_id: UUID) -> None:
        """Set the key that tells the application that a tenant is ready, where there is a Redis.

        Raises:
            RedisKeyError: Redis does not take it; the tenant itself is there.
        """
        if self.settings.redis_url is not None:
            mark_initialized(self.settings.redis_url, tenant_id)

    def pruner(self, *, apply: bool = False) -> Pruner:
        """What backups are pruned with."""
        settings = self.settings
        policy = Policy(settings.keep_daily, settings.keep_weekly, settings.keep_monthly)
        return Pruner(self.store, policy, apply)

    def verifier(self, run_id: str | None = None, *, identity_file: Path | None = None) -> Verifier:
        """What backups are verified with; ``identity_file`` decrypts in place of their keys."""
        return Verifier(
            store=self.store,
            scratch_for=self._tidy_scratch,
            keys=replace(self.keys, identity_file=identity_file),
            bin_dirs=self.bin_dirs,
            run_id=run_id,
            jobs=self.settings.concurrent_verifications or usable_cores(),
        )

    def _tidy_scratch(self, major: int) -> ScratchServer:
        """The scratch server, rid of what killed processes left on it, the first time."""
        scratch = self.scratch(major)
        if major not in self._reaped:
            self._reaped.add(major)
            with suppress(OpsError):  # the verification meets the error, and names it
                scratch.reap(timedelta(hours=self.settings.scratch_database_max_age_hours))
        return scratch

    def scratch(self, major: int) -> ScratchServer:
        """The scratch server for backups of a PostgreSQL major.

        Raises:
            ConfigurationError: ``SCRATCH_DATABASE_URL`` is the live server, or none is set and
                no embedded server has that major.
        """
        if url := self.settings.scratch_database_url:
            scratch = _parse(url, "SCRATCH_DATABASE_URL")
            refuse_live(scratch, self.owner)
            return ScratchServer(scratch)
        return ScratchServer(start_scratch(self.home, major))

    @contextmanager
    def registry(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """A connection for reading ``shared.tenants``, as the backup role."""
        with self.backup.given_up_after(_CONNECT_SECONDS).connect(autocommit=True) as connection:
            yield connection

    @cached_property
    def _embedded(self) -> ConnInfo:
        """The superuser of the embedded live server, its roles and databases made."""
        return start_live(self.home, self.settings.embedded_postgres_version)

    def stop_embedded_servers(self) -> list[str]:
        """Stop the embedded servers of ``AGENTARMY_HOME``, whoever uses them; their names."""
        return stop_all(self.home)


def _parse(url: SecretStr, name: str) -> ConnInfo:
    return ConnInfo.parse(url.get_secret_value(), name=name)
