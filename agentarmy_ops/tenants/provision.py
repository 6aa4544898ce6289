"""Make a tenant exist, whole; or mend one of which something is missing."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import errors as pg
from psycopg.rows import TupleRow
from pydantic import SecretStr

from agentarmy_ops.errors import DatabaseError, InvalidInputError, ProvisioningError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.tenants.admin import ensure_admin
from agentarmy_ops.tenants.adopt import find_tenant_id
from agentarmy_ops.tenants.inputs import validate_email, validate_name
from agentarmy_ops.tenants.lock import limit_waiting, tenant_lock
from agentarmy_ops.tenants.passwords import check_password
from agentarmy_ops.tenants.redis_keys import mark_initialized
from agentarmy_ops.tenants.register import register_tenant
from agentarmy_ops.tenants.registry import Tenant, find_tenant, read_tenant
from agentarmy_ops.tenants.schema import ensure_schema, schema_exists
from agentarmy_ops.tenants.slug import schema_name
from agentarmy_ops.tenants.template import read_template


@dataclass(frozen=True)
class ProvisionResult:
    """What provisioning did: ``created`` a tenant of which nothing was there, or ``repaired``
    these parts of one, or neither."""

    tenant: Tenant
    created: bool
    repaired: tuple[str, ...]


def provision_tenant(
    conninfo: ConnInfo,
    *,
    slug: str,
    name: str | None,
    admin_email: str | None,
    admin_password: SecretStr | None,
    secrets: SecretsStore,
    redis_url: SecretStr | None = None,
    template_dir: Path | None = None,
    lock_timeout_seconds: float = 60,
) -> ProvisionResult:
    """Provision a tenant in one transaction, under its lock; ``conninfo`` is the owner role's.

    ``name`` and ``admin_email`` may be None for a tenant that has a registry row and an admin.

    Where all is in place, nothing is changed: not the name, nor any admin or password. What is
    missing is repaired and named in the result. Waits up to ``lock_timeout_seconds`` for the
    tenant's lock, and as long for each lock on its tables. The Redis key is set after commit.

    Raises:
        InvalidInputError: slug, name, e-mail or password are not acceptable.
        ConfigurationError: the template cannot be read.
        TenantBusyError: another operation holds the tenant's lock.
        ProvisioningError: PostgreSQL refused; nothing was changed.
        DatabaseError: the server or the registry cannot be reached or read.
        SecretError: the generated password could not be stored; nothing was changed.
        RedisKeyError: the tenant is provisioned, its Redis key is not set.
    """
    schema = schema_name(slug)
    name = None if name is None else validate_name(name)
    email = None if admin_email is None else validate_email(admin_email)
    if admin_password is not None:
        check_password(admin_password)
    files = read_template(template_dir)
    with (
        conninfo.connect(autocommit=True) as connection,
        tenant_lock(connection, slug, timeout_seconds=lock_timeout_seconds),
    ):
        with _errors(connection, slug), connection.transaction():
            limit_waiting(connection, lock_timeout_seconds)
            tenant, missing = _ensure_registered(connection, slug, name, schema)
            missing += ensure_schema(connection, tenant, files)
            if ensure_admin(
                connection, tenant, email=email, password=admin_password, secrets=secrets
            ):
                missing.append("admin user")
        # Neither row nor schema: that was no broken tenant, but none at all.
        created = missing[:2] == ["registry row", "schema"]
        if redis_url is not None and mark_initialized(redis_url, tenant.id):
            missing.append("Redis key")
    return ProvisionResult(tenant, created, () if created else tuple(missing))


def _ensure_registered(
    connection: psycopg.Connection[TupleRow], slug: str, name: str | None, schema: str
) -> tuple[Tenant, list[str]]:
    tenant = find_tenant(connection, slug)
    if tenant is not None:
        return tenant, []
    if name is None:
        raise InvalidInputError(f"tenant {slug} is not registered yet: give its name")
    tenant_id = None
    if schema_exists(connection, schema):
        tenant_id = find_tenant_id(connection, schema)
    register_tenant(connection, tenant_id or uuid.uuid4(), slug, name)
    return read_tenant(connection, slug), ["registry row"]


@contextmanager
def _errors(connection: psycopg.Connection[TupleRow], slug: str) -> Iterator[None]:
    try:
        yield
    except pg.InsufficientPrivilege as error:
        info = connection.info
        raise ProvisioningError(
            f"tenant {slug} was not provisioned (nothing was changed): role {info.user} lacks a "
            f"privilege in database {info.dbname}: {reason(error)}; set DATABASE_URL to the role "
            "that owns the tenants, or run `agentarmy-ops init`"
        ) from error
    except pg.LockNotAvailable as error:
        raise ProvisioningError(
            f"tenant {slug} was not provisioned (nothing was changed): another session keeps a "
            f"table locked: {reason(error)}; wait for it to end and try again"
        ) from error
    except psycopg.Error as error:
        if connection.closed:
            raise DatabaseError(
                f"the connection was lost while tenant {slug} was provisioned ({reason(error)}); "
                "provision it again: that completes what is missing"
            ) from error
        raise ProvisioningError(
            f"tenant {slug} was not provisioned (nothing was changed): {reason(error)}; correct "
            "that and provision it again"
        ) from error
