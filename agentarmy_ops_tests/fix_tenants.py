"""An application's database with its roles and registry, and tenants in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from psycopg import sql
from pydantic import SecretStr

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.tenants.bootstrap import (
    BACKUP_ROLE,
    OWNER_ROLE,
    ensure_registry,
    ensure_roles,
)
from agentarmy_ops.tenants.provision import ProvisionResult, provision_tenant

ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = SecretStr("correct horse battery")


@dataclass(frozen=True)
class AppDatabase:
    """One database, as the three roles that matter."""

    owner: ConnInfo
    backup: ConnInfo
    superuser: ConnInfo


class Provision(Protocol):
    """Provision a tenant of the application's database; see :func:`provision`."""

    def __call__(
        self, slug: str, *, conninfo: ConnInfo | None = None, **keywords: Any
    ) -> ProvisionResult: ...


@pytest.fixture
def app_databases(
    live_servers: Callable[[int], ConnInfo], new_database: Callable[[ConnInfo], ConnInfo]
) -> Callable[[int], AppDatabase]:
    """Make a fresh application database on a server of a major: ``app_databases(18)``."""

    def make(major: int) -> AppDatabase:
        superuser = new_database(live_servers(major))
        with superuser.connect() as connection:
            ensure_roles(connection)
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                    sql.Identifier(connection.info.dbname), sql.Identifier(OWNER_ROLE)
                )
            )
            ensure_registry(connection)
        return AppDatabase(
            superuser.with_params(user=OWNER_ROLE),
            superuser.with_params(user=BACKUP_ROLE),
            superuser,
        )

    return make


@pytest.fixture
def app_database(app_databases: Callable[[int], AppDatabase], postgres_major: int) -> AppDatabase:
    """A fresh application database on the live server."""
    return app_databases(postgres_major)


@pytest.fixture
def secrets_store(tmp_path: Path) -> LocalSecretsStore:
    """An empty secrets store."""
    return LocalSecretsStore(tmp_path / "secrets")


@pytest.fixture
def provision(request: pytest.FixtureRequest, secrets_store: LocalSecretsStore) -> Provision:
    """Provision a tenant: ``provision("acme")``, in ``app_database`` unless ``conninfo`` says
    where else, with any keyword of ``provision_tenant``."""

    def call(slug: str, *, conninfo: ConnInfo | None = None, **keywords: Any) -> ProvisionResult:
        if conninfo is None:
            conninfo = request.getfixturevalue("app_database").owner
        defaults: dict[str, Any] = {
            "name": slug.title(),
            "admin_email": ADMIN_EMAIL,
            "admin_password": ADMIN_PASSWORD,
            "secrets": secrets_store,
        }
        return provision_tenant(conninfo, slug=slug, **{**defaults, **keywords})

    return call
