import psycopg
import pytest

from agentarmy_ops.errors import DatabaseError, InvalidInputError, TenantNotFoundError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.registry import read_registry, read_tenant, read_tenants
from agentarmy_ops_tests.fix_tenants import AppDatabase


def insert(conninfo: ConnInfo, *rows: tuple[str, str]) -> None:
    with conninfo.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO shared.tenants (slug, name, schema_name) VALUES (%s, 'Name', %s)", rows
        )


def test_all_tenants_by_slug(app_database: AppDatabase) -> None:
    insert(
        app_database.owner,
        ("b-corp", "tenant_b_corp"), ("acme0", "tenant_acme0"), ("acme-eu", "tenant_acme_eu"),
    )  # fmt: skip
    with app_database.backup.connect() as connection:
        tenants = read_tenants(connection)
        assert [tenant.slug for tenant in tenants] == ["acme-eu", "acme0", "b-corp"]
        assert read_tenant(connection, "acme-eu") == tenants[0]
    assert tenants[0].schema_name == "tenant_acme_eu"
    assert tenants[0].is_active
    assert tenants[0].created_at.tzinfo is not None


def test_a_tenants_own_retention_also_where_the_table_has_no_such_column(
    app_database: AppDatabase,
) -> None:
    insert(app_database.owner, ("acme", "tenant_acme"), ("globex", "tenant_globex"))
    with app_database.owner.connect() as connection:
        connection.execute(
            "UPDATE shared.tenants SET backup_retention = 'daily=14' WHERE slug = 'acme'"
        )
        assert [t.backup_retention for t in read_tenants(connection)] == ["daily=14", None]
        connection.execute("ALTER TABLE shared.tenants DROP COLUMN backup_retention")
        assert [t.backup_retention for t in read_tenants(connection)] == [None, None]


def test_an_empty_registry(app_database: AppDatabase) -> None:
    with app_database.backup.connect() as connection:
        assert read_tenants(connection) == []


def test_an_unknown_tenant(app_database: AppDatabase) -> None:
    with app_database.backup.connect() as connection:
        with pytest.raises(TenantNotFoundError, match=r"no tenant acme .*ops tenant list"):
            read_tenant(connection, "acme")
        with pytest.raises(InvalidInputError, match="is not a tenant slug"):
            read_tenant(connection, "acme'; --")


@pytest.mark.parametrize(
    ("slug", "schema", "problem"),
    [
        ("acme", "tenant_other", r"tenant acme lives in schema 'tenant_other', .* tenant_acme;"),
        ("acme-eu", "tenant_acme-eu", r"schema 'tenant_acme-eu', .* tenant_acme_eu;"),
        ("Acme", "tenant_acme", r"with a bad slug \('Acme' is not"),
    ],
)
def test_a_bad_row_is_named_and_not_used(
    app_database: AppDatabase, slug: str, schema: str, problem: str
) -> None:
    with app_database.superuser.connect() as connection:  # an application's table may check less
        connection.execute("ALTER TABLE shared.tenants DROP CONSTRAINT tenants_slug_check")
    insert(app_database.owner, (slug, schema), ("good", "tenant_good"))
    with app_database.backup.connect() as connection:
        with pytest.raises(DatabaseError, match=problem):
            read_tenants(connection)
        if slug != "Acme":
            with pytest.raises(DatabaseError, match=problem):
                read_tenant(connection, slug)
        registry = read_registry(connection)
    assert [tenant.slug for tenant in registry.tenants] == ["good"]
    assert len(registry.problems) == 1


def test_no_registry(app_database: AppDatabase) -> None:
    for statement in ("DROP TABLE shared.tenants", "DROP SCHEMA shared"):
        with app_database.owner.connect() as connection:
            connection.execute(statement)
            connection.commit()
            with pytest.raises(DatabaseError, match=r"no usable registry .*agentarmy-ops init"):
                read_tenants(connection)


def test_a_registry_of_another_shape(app_database: AppDatabase) -> None:
    with app_database.owner.connect() as connection:
        connection.execute("ALTER TABLE shared.tenants DROP COLUMN is_active")
        with pytest.raises(DatabaseError, match=r"column \"is_active\" does not exist"):
            read_tenants(connection)


def test_a_role_that_may_not_read(app_database: AppDatabase) -> None:
    with app_database.owner.connect() as connection:
        connection.execute("REVOKE ALL ON shared.tenants FROM agentarmy_owner")
        with pytest.raises(DatabaseError, match="role agentarmy_owner may not read"):
            read_tenants(connection)


def test_a_connection_that_is_gone(app_database: AppDatabase) -> None:
    connection = app_database.owner.connect()
    connection.close()
    with pytest.raises(DatabaseError, match="the connection is closed"):
        read_tenants(connection)


def test_the_table_refuses_what_is_no_slug(app_database: AppDatabase) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        insert(app_database.owner, ("Not A Slug", "x"))
