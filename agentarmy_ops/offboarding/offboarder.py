"""What tenants are offboarded with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import errors as pg
from pydantic import SecretStr

from agentarmy_ops.backups.findings import Verifier
from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.aside import find_asides
from agentarmy_ops.backups.restore.session import (
    Restorer,
    locked_session,
    open_session,
    settle,
)
from agentarmy_ops.backups.source import BackupSource
from agentarmy_ops.errors import OffboardingError, OffboardingRefusedError, TenantBusyError
from agentarmy_ops.offboarding.steps import Watch, unwatched
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import Tenant

_SHOWN = 3


@dataclass(frozen=True)
class Offboarder:
    """``restorer`` has the database as the role that owns the tenants, the store and the keys;
    ``source`` and ``verifier`` make and prove the final backup. ``cooling_off`` passes between
    request and erasure."""

    restorer: Restorer
    source: BackupSource
    verifier: Verifier
    secrets: SecretsStore
    redis_url: SecretStr | None = None
    cooling_off: timedelta = timedelta(days=30)
    run_id: str | None = None
    watch: Watch = unwatched

    @property
    def store(self) -> Store:
        """Where backups and the records of offboardings are."""
        return self.restorer.store

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A session as the owner, in autocommit mode.

        Raises:
            DatabaseError: the server cannot be reached or refuses.
        """
        with open_session(self.restorer) as connection:
            yield connection

    @contextmanager
    def locked(self, slug: str) -> Iterator[Connection]:
        """A session that holds the tenant's lock.

        Raises:
            TenantBusyError: another operation holds it.
            DatabaseError: the server cannot be reached or refuses.
        """
        with locked_session(self.restorer, slug) as connection:
            yield connection

    @contextmanager
    def transaction(self, connection: Connection, slug: str) -> Iterator[None]:
        """One transaction, which outlives a crash of the server once it is committed.

        Raises:
            TenantBusyError: another session keeps a table or row locked.
            OffboardingError: PostgreSQL refuses, and all was rolled back; or the connection was
                lost, and the next call finds out what became of it.
        """
        try:
            with connection.transaction():
                settle(self.restorer, connection)
                yield
        except (pg.LockNotAvailable, pg.DeadlockDetected) as error:
            raise TenantBusyError(
                f"tenant {slug} is busy: {reason(error)}; another session works on it: end that, "
                "and try again"
            ) from error
        except psycopg.Error as error:
            raise OffboardingError(
                f"tenant {slug}: PostgreSQL refused: {reason(error)}; all was rolled back: mend "
                "that, and try again"
            ) from error


def schemas_of(connection: Connection, tenant: Tenant) -> list[str]:
    """The tenant's schemas: those that are kept aside, then its own.

    Raises:
        DatabaseError: the catalogue cannot be read.
    """
    return [
        *(aside.schema for aside in find_asides(connection, tenant.slug)),
        tenant.schema_name,
    ]


def refuse_dependents(connection: Connection, schema: str) -> None:
    """Raise when something outside of a schema depends on it, and would go with it.

    Raises:
        OffboardingRefusedError: naming it.
        DatabaseError: the catalogue cannot be read.
    """
    if rows := query(connection, "dependents", schemas=[schema]):
        named = ", ".join(f"{row['type']} {row['identity']}" for row in rows[:_SHOWN])
        raise OffboardingRefusedError(
            f"schema {schema} cannot be erased: {named} outside of it depends on it; drop that "
            "first"
        )


def set_active(connection: Connection, tenant: Tenant, *, active: bool) -> None:
    """Tell the application whether the tenant may be used, in the current transaction.

    Raises:
        psycopg.Error: PostgreSQL refuses.
    """
    statement = "UPDATE shared.tenants SET is_active = %s WHERE id = %s AND is_active <> %s"
    connection.execute(statement, [active, tenant.id, active])
