import uuid
from collections.abc import Callable
from typing import Any

import argon2
import pytest
from psycopg import sql
from pydantic import SecretStr

from agentarmy_ops.errors import (
    DatabaseError,
    InvalidInputError,
    ProvisioningError,
    SecretError,
    SecretNotFoundError,
)
from agentarmy_ops.secrets.local import LocalSecretsStore
from agentarmy_ops.tenants.redis_keys import RedisKeyError
from agentarmy_ops.tenants.registry import read_tenant, read_tenants
from agentarmy_ops.tenants.sample import insert_sample_data
from agentarmy_ops_tests.fix_tenants import ADMIN_EMAIL, ADMIN_PASSWORD, AppDatabase, Provision


def run(app_database: AppDatabase, statement: str) -> list[tuple[Any, ...]]:
    """Run as superuser, past row-level security."""
    with app_database.superuser.connect() as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def admins(app_database: AppDatabase) -> list[tuple[Any, ...]]:
    return run(
        app_database,
        "SELECT tenant_id, email, password_hash FROM tenant_acme.users WHERE role = 'admin'",
    )


def verifies(password_hash: str, password: SecretStr) -> bool:
    return argon2.PasswordHasher().verify(password_hash, password.get_secret_value())


@pytest.mark.parametrize("major", [16, 18])
def test_a_new_tenant(
    app_databases: Callable[[int], AppDatabase], provision: Provision, major: int
) -> None:
    app_database = app_databases(major)
    result = provision("acme", conninfo=app_database.owner, name="  Acme & Söhne ")
    assert result.created
    assert result.repaired == ()
    tenant = result.tenant
    assert (tenant.slug, tenant.name, tenant.schema_name) == ("acme", "Acme & Söhne", "tenant_acme")
    with app_database.backup.connect() as connection:
        assert read_tenant(connection, "acme") == tenant
    [(tenant_id, email, password_hash)] = admins(app_database)
    assert (tenant_id, email) == (tenant.id, ADMIN_EMAIL)
    assert verifies(password_hash, ADMIN_PASSWORD)
    again = provision("acme", conninfo=app_database.owner)
    assert (again.tenant, again.created, again.repaired) == (tenant, False, ())


def test_again_changes_nothing(app_database: AppDatabase, provision: Provision) -> None:
    first = provision("acme")
    insert_sample_data(app_database.owner, first.tenant, 100)
    snapshot = (
        "SELECT (SELECT array_agg(t::text) FROM shared.tenants t),"
        " (SELECT array_agg(u::text) FROM tenant_acme.users u),"
        " (SELECT count(*) FROM tenant_acme.messages),"
        " (SELECT array_agg(c.oid::text || c.xmin ORDER BY c.oid) FROM pg_class c"
        "  WHERE relnamespace = 'tenant_acme'::regnamespace),"
        " (SELECT array_agg(oid::text || xmin ORDER BY oid) FROM pg_policy)"
    )
    before = run(app_database, snapshot)
    second = provision(
        "acme",
        name="Another name",
        admin_email="other@example.com",
        admin_password=SecretStr("another password"),
    )
    assert (second.tenant, second.created, second.repaired) == (first.tenant, False, ())
    assert run(app_database, snapshot) == before


@pytest.mark.parametrize(
    ("damage", "repaired"),
    [
        ("DROP SCHEMA tenant_acme CASCADE", ("schema", "admin user")),
        ("DELETE FROM shared.tenants", ("registry row",)),
        ("DELETE FROM tenant_acme.users", ("admin user",)),
        (
            "DROP TABLE tenant_acme.messages, tenant_acme.api_keys",
            ("table api_keys", "table messages"),
        ),
        ("DROP INDEX tenant_acme.users_email_key", ("index users_email_key",)),
        (
            "DELETE FROM shared.tenants; DROP TABLE tenant_acme.messages;"
            " ALTER TABLE tenant_acme.agents NO FORCE ROW LEVEL SECURITY",
            ("registry row", "table messages", "forced row-level security on agents"),
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_repaired_and_named(
    app_database: AppDatabase, provision: Provision, damage: str, repaired: tuple[str, ...]
) -> None:
    tenant = provision("acme").tenant
    run(app_database, damage)
    result = provision("acme")
    assert (result.created, result.repaired) == (False, repaired)
    assert result.tenant.id == tenant.id
    assert [row[0] for row in admins(app_database)] == [tenant.id]
    assert provision("acme").repaired == ()


def test_a_schema_of_unclear_ownership_is_refused(
    app_database: AppDatabase, provision: Provision
) -> None:
    tenant = provision("acme").tenant
    run(app_database, "DELETE FROM shared.tenants")
    other = uuid.uuid4()
    run(
        app_database,
        f"INSERT INTO tenant_acme.agents (tenant_id, name, model) VALUES ('{other}', 'x', 'x')",
    )
    with pytest.raises(ProvisioningError, match="rows of several tenant ids") as caught:
        provision("acme")
    assert str(other) in str(caught.value)
    assert str(tenant.id) in str(caught.value)
    assert run(app_database, "SELECT FROM shared.tenants") == []
    forced = run(
        app_database,
        "SELECT bool_and(relforcerowsecurity) FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'tenant_acme'::regnamespace",
    )
    assert forced == [(True,)]


def test_an_empty_schema_is_adopted(app_database: AppDatabase, provision: Provision) -> None:
    run(app_database, "CREATE SCHEMA tenant_acme AUTHORIZATION agentarmy_owner")
    result = provision("acme")
    assert not result.created
    assert result.repaired[0] == "registry row"
    assert "table users" in result.repaired
    assert result.repaired[-1] == "admin user"


def test_tenants_do_not_touch_each_other(app_database: AppDatabase, provision: Provision) -> None:
    provision("acme")
    before = admins(app_database)
    other = provision("acme-eu").tenant
    assert admins(app_database) == before
    assert other.schema_name == "tenant_acme_eu"
    with app_database.owner.connect() as connection:
        assert [tenant.slug for tenant in read_tenants(connection)] == ["acme", "acme-eu"]


def test_an_admin_under_another_address_is_enough(
    app_database: AppDatabase, provision: Provision
) -> None:
    provision("acme")
    run(app_database, "UPDATE tenant_acme.users SET email = 'renamed@example.com'")
    assert provision("acme").repaired == ()
    assert [row[1] for row in admins(app_database)] == ["renamed@example.com"]


def test_a_user_is_never_made_admin_silently(
    app_database: AppDatabase, provision: Provision
) -> None:
    provision("acme")
    run(app_database, "UPDATE tenant_acme.users SET role = 'member', email = 'ADMIN@example.com'")
    with pytest.raises(ProvisioningError, match=r"user admin@example.com is not one"):
        provision("acme")
    assert admins(app_database) == []


# --- the admin's password --------------------------------------------------------------


def test_a_generated_password_is_stored(
    app_database: AppDatabase, provision: Provision, secrets_store: LocalSecretsStore
) -> None:
    provision("acme", admin_password=None)
    stored = secrets_store.get("acme-admin-password")
    [(_, _, password_hash)] = admins(app_database)
    assert verifies(password_hash, stored)
    provision("acme", admin_password=None)
    assert secrets_store.get("acme-admin-password") == stored


def test_a_given_password_is_not_stored(
    provision: Provision, secrets_store: LocalSecretsStore
) -> None:
    provision("acme")
    with pytest.raises(SecretNotFoundError):
        secrets_store.get("acme-admin-password")


class FailingStore(LocalSecretsStore):
    def set(self, identifier: str, value: SecretStr) -> str:  # noqa: ARG002
        raise SecretError(f"cannot write secret {identifier}")


def test_nothing_is_committed_when_the_secret_cannot_be_stored(
    app_database: AppDatabase, provision: Provision, secrets_store: LocalSecretsStore
) -> None:
    failing = FailingStore(secrets_store._folder)
    with pytest.raises(SecretError, match="cannot write secret acme-admin-password"):
        provision("acme", admin_password=None, secrets=failing)
    assert run(app_database, "SELECT FROM shared.tenants") == []
    assert run(app_database, "SELECT FROM pg_namespace WHERE nspname = 'tenant_acme'") == []
    assert provision("acme", admin_password=None).created


class ConnectionKillingStore(LocalSecretsStore):
    """Stores the secret; then all sessions of the owner die, so that nothing can commit."""

    superuser: AppDatabase

    def set(self, identifier: str, value: SecretStr) -> str:
        version = super().set(identifier, value)
        run(
            self.superuser,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'agentarmy_owner'",
        )
        return version


def test_a_password_stored_before_a_lost_commit_is_used_by_the_next_attempt(
    app_database: AppDatabase, provision: Provision, secrets_store: LocalSecretsStore
) -> None:
    killing = ConnectionKillingStore(secrets_store._folder)
    killing.superuser = app_database
    with pytest.raises(DatabaseError, match="connection was lost while tenant acme") as caught:
        provision("acme", admin_password=None, secrets=killing)
    assert "\n" not in str(caught.value)
    stored = secrets_store.get("acme-admin-password")
    assert run(app_database, "SELECT FROM shared.tenants") == []
    assert provision("acme", admin_password=None).created
    assert secrets_store.get("acme-admin-password") == stored
    [(_, _, password_hash)] = admins(app_database)
    assert verifies(password_hash, stored)


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [
        ({"slug": "Acme"}, "'Acme' is not a tenant slug"),
        ({"slug": 'a"; DROP'}, "is not a tenant slug"),
        ({"name": "  "}, "is not a tenant's name"),
        ({"name": "x" * 201}, "is not a tenant's name"),
        ({"name": "a\nb"}, "is not a tenant's name"),
        ({"name": "a\0b"}, "is not a tenant's name"),
        ({"name": "a\ud800"}, "is not a tenant's name"),
        ({"admin_email": "admin"}, "is not an e-mail address"),
        ({"admin_email": "a@b"}, "is not an e-mail address"),
        ({"admin_email": "a@b@c.de"}, "is not an e-mail address"),
        ({"admin_email": "a b@c.de"}, "is not an e-mail address"),
        ({"admin_email": "a\0@c.de"}, "is not an e-mail address"),
        ({"admin_email": f"{'x' * 250}@c.de"}, "is not an e-mail address"),
        ({"admin_password": SecretStr("too short")}, "too short"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    app_database: AppDatabase, provision: Provision, keywords: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem) as caught:
        provision(keywords.pop("slug", "acme"), **keywords)
    assert "\n" not in str(caught.value)
    assert "too short " not in str(caught.value)
    assert run(app_database, "SELECT FROM shared.tenants") == []


@pytest.mark.parametrize("name", ["O'Reilly; DROP TABLE users", "日本 🤖", "100% {x} %s $1"])
def test_any_printable_name_will_do(
    app_database: AppDatabase, provision: Provision, name: str
) -> None:
    assert provision("acme", name=name).tenant.name == name


def test_a_role_that_may_not_create(app_database: AppDatabase, provision: Provision) -> None:
    with app_database.superuser.connect() as connection:
        database = sql.Identifier(connection.info.dbname)
        for statement in (
            "ALTER DATABASE {} OWNER TO CURRENT_USER",
            "REVOKE CREATE ON DATABASE {} FROM agentarmy_owner",
        ):
            connection.execute(sql.SQL(statement).format(database))
    with pytest.raises(ProvisioningError) as caught:
        provision("acme")
    message = str(caught.value)
    assert message.startswith("tenant acme was not provisioned (nothing was changed): role ")
    assert "permission denied for database" in message
    assert "\n" not in message
    assert run(app_database, "SELECT FROM shared.tenants") == []


def test_a_read_only_role(app_database: AppDatabase, provision: Provision) -> None:
    with pytest.raises(ProvisioningError, match=r"tenant acme was not .* \(nothing was changed\)"):
        provision("acme", conninfo=app_database.backup)


def test_a_schema_of_another_owner(app_database: AppDatabase, provision: Provision) -> None:
    run(app_database, "CREATE SCHEMA tenant_acme")
    with pytest.raises(
        ProvisioningError, match=r"role agentarmy_owner may not create tables in schema tenant_acme"
    ):
        provision("acme")


def test_a_database_without_registry(app_database: AppDatabase, provision: Provision) -> None:
    run(app_database, "DROP TABLE shared.tenants")
    with pytest.raises(DatabaseError, match="no usable registry"):
        provision("acme")


def test_a_registry_that_wants_more(app_database: AppDatabase, provision: Provision) -> None:
    run(app_database, "ALTER TABLE shared.tenants ADD plan text NOT NULL")
    with pytest.raises(ProvisioningError, match='null value in column "plan"'):
        provision("acme")


def test_a_registry_row_with_another_schema(
    app_database: AppDatabase, provision: Provision
) -> None:
    provision("acme")
    run(app_database, "UPDATE shared.tenants SET schema_name = 'tenant_x'")
    with pytest.raises(DatabaseError, match="tenant acme lives in schema 'tenant_x'"):
        provision("acme")


def test_a_server_that_is_not_there(provision: Provision, app_database: AppDatabase) -> None:
    nowhere = app_database.owner.with_params(host="/nowhere")
    with pytest.raises(DatabaseError, match="cannot connect"):
        provision("acme", conninfo=nowhere)


def test_a_table_that_stays_locked(app_database: AppDatabase, provision: Provision) -> None:
    provision("acme")
    with app_database.superuser.connect() as blocker:
        blocker.execute("LOCK TABLE tenant_acme.users IN ROW EXCLUSIVE MODE")
        with pytest.raises(ProvisioningError, match="lock timeout") as caught:
            provision("acme", lock_timeout_seconds=0.05)
    assert "\n" not in str(caught.value)


# --- Redis -----------------------------------------------------------------------------


def test_the_redis_key_is_set_after_the_commit(
    app_database: AppDatabase, provision: Provision, redis_server: str
) -> None:
    url = SecretStr(redis_server)
    assert provision("acme", redis_url=url).created
    assert provision("acme", redis_url=url).repaired == ()
    with app_database.superuser.connect() as connection:
        connection.execute("DELETE FROM shared.tenants")
        connection.execute("DROP SCHEMA tenant_acme CASCADE")
    assert provision("acme", redis_url=url).created
    assert provision("beta").created
    assert provision("beta", redis_url=url).repaired == ("Redis key",)


def test_without_redis_the_tenant_is_there_and_the_next_run_completes_it(
    app_database: AppDatabase, provision: Provision, redis_server: str
) -> None:
    with pytest.raises(RedisKeyError, match="is provisioned, but Redis"):
        provision("acme", redis_url=SecretStr("redis://127.0.0.1:1/0"))
    assert len(admins(app_database)) == 1
    assert provision("acme", redis_url=SecretStr(redis_server)).repaired == ("Redis key",)
