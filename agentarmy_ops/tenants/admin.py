"""The first user of a tenant, who can let in all others."""

import psycopg
from psycopg.rows import TupleRow
from pydantic import SecretStr

from agentarmy_ops.errors import InvalidInputError, ProvisioningError, SecretNotFoundError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.secrets.base import SecretsStore, secret_id
from agentarmy_ops.secrets.tenant_secrets import ADMIN_PASSWORD
from agentarmy_ops.tenants.passwords import generate_password, hash_password
from agentarmy_ops.tenants.registry import Tenant


def ensure_admin(
    connection: psycopg.Connection[TupleRow],
    tenant: Tenant,
    *,
    email: str | None,
    password: SecretStr | None,
    secrets: SecretsStore,
) -> bool:
    """Insert an admin if the tenant has none, in the current transaction, whose ``search_path``
    and tenant are set; returns whether it did. An existing admin is never touched.

    Without ``password``, the secret ``{slug}-admin-password`` is the password. It is generated
    when there is none, and stored before the row is even written: if storing fails nothing
    is committed, and if the commit fails the next attempt finds the secret and uses it.

    Raises:
        InvalidInputError: an admin is needed and ``email`` is None.
        ProvisioningError: a user who is no admin has that e-mail.
        SecretError: the secret cannot be read or written.
    """
    row = connection.execute(load_sql(__file__, "find_admin"), {"email": email}).fetchone()
    if row is not None:
        if row[0]:
            return False
        raise ProvisioningError(
            f"tenant {tenant.slug} has no admin, and its user {email} is not one (nothing was "
            "changed); make that user an admin in the application, or give another e-mail"
        )
    if email is None:
        raise InvalidInputError(f"tenant {tenant.slug} has no admin yet: give the admin's e-mail")
    if password is None:
        password = _stored_password(secrets, tenant.slug)
    connection.execute(
        load_sql(__file__, "insert_admin"),
        {"tenant_id": tenant.id, "email": email, "password_hash": hash_password(password)},
    )
    return True


def _stored_password(secrets: SecretsStore, slug: str) -> SecretStr:
    identifier = secret_id(slug, ADMIN_PASSWORD)
    try:
        return secrets.get(identifier)
    except SecretNotFoundError:
        password = generate_password()
        secrets.set(identifier, password)
        return password
