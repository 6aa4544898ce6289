"""That one tenant's rows are invisible to another, in every table and for every command."""

import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from agentarmy_ops.tenants.context import set_tenant
from agentarmy_ops.tenants.isolation import ensure_isolation, tenant_tables, unisolated_tables
from agentarmy_ops.tenants.sample import insert_sample_data
from agentarmy_ops.tenants.template import BUILT_IN
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

TABLES = ["agents", "api_keys", "conversations", "messages", "usage_events", "users"]


def test_every_table_is_isolated(app_database: AppDatabase, provision: Provision) -> None:
    provision("acme")
    with app_database.owner.connect() as connection:
        tables = tenant_tables(connection, "tenant_acme")
    assert [table.name for table in tables] == TABLES
    for table in tables:
        assert table == ("tenant_acme", table.name, True, True, True, True, True)
        assert table.missing == []


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_seen_and_written_by_their_tenant_only(
    app_database: AppDatabase, provision: Provision, table: str
) -> None:
    tenant = provision("acme").tenant
    insert_sample_data(app_database.owner, tenant, 50)
    name = sql.Identifier("tenant_acme", table)
    count = sql.SQL("SELECT count(*) FROM {}").format(name)
    with app_database.backup.connect() as connection:
        everything = connection.execute(count).fetchone()
    with app_database.owner.connect() as connection:
        # As the owner itself: without FORCE it would see everything.
        assert connection.execute(count).fetchone() == (0,)
        set_tenant(connection, uuid.uuid4())
        assert connection.execute(count).fetchone() == (0,)
        assert connection.execute(sql.SQL("DELETE FROM {}").format(name)).rowcount == 0
        set_tenant(connection, tenant.id)
        assert connection.execute(count).fetchone() == everything
        if table != "api_keys":
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                connection.execute(
                    sql.SQL("UPDATE {} SET tenant_id = gen_random_uuid()").format(name)
                )
        connection.rollback()
        # After a transaction that set it, the setting is '', which must not be an error.
        assert connection.execute(count).fetchone() == (0,)


def test_what_is_in_place_is_not_even_locked(
    app_database: AppDatabase, provision: Provision
) -> None:
    provision("acme")
    with app_database.owner.connect() as connection:
        assert ensure_isolation(connection, "tenant_acme") == []
        locks = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND relation IN (SELECT oid FROM pg_class WHERE relnamespace ="
            " 'tenant_acme'::regnamespace) AND mode <> 'AccessShareLock'"
        ).fetchone()
    assert locks == (0,)


@pytest.mark.parametrize(
    ("damage", "repaired"),
    [
        ("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", ("row-level security on messages",)),
        ("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", ("forced row-level security on messages",)),
        ("DROP POLICY tenant_isolation ON {}", ("policy tenant_isolation on messages",)),
        (
            "ALTER POLICY tenant_isolation ON {} USING (true)",
            ("policy tenant_isolation on messages",),
        ),
        (
            "ALTER POLICY tenant_isolation ON {} WITH CHECK (tenant_id IS NOT NULL)",
            ("policy tenant_isolation on messages",),
        ),
        (
            "DROP POLICY tenant_isolation ON {0}; CREATE POLICY tenant_isolation ON {0} FOR SELECT"
            " USING (tenant_id = current_setting('app.current_tenant_id')::uuid)",
            ("policy tenant_isolation on messages",),
        ),
        (
            "DROP POLICY tenant_isolation ON {0}; ALTER TABLE {0} DISABLE ROW LEVEL SECURITY,"
            " NO FORCE ROW LEVEL SECURITY",
            (
                "row-level security on messages",
                "forced row-level security on messages",
                "policy tenant_isolation on messages",
            ),
        ),
    ],
)  # fmt: skip
def test_damage_is_repaired_and_named(
    app_database: AppDatabase, provision: Provision, damage: str, repaired: tuple[str, ...]
) -> None:
    provision("acme")
    with app_database.owner.connect() as connection:
        connection.execute(damage.format("tenant_acme.messages"))
    result = provision("acme")
    assert (result.created, result.repaired) == (False, repaired)
    assert provision("acme").repaired == ()
    with app_database.owner.connect() as connection:
        assert ensure_isolation(connection, "tenant_acme") == []


def test_a_policy_of_the_template_in_other_words_is_kept(
    app_database: AppDatabase, provision: Provision, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text((BUILT_IN / "010_users.sql").read_text())
    (tmp_path / "2.sql").write_text(
        "DROP POLICY IF EXISTS tenant_isolation ON users;"
        "CREATE POLICY tenant_isolation ON users"
        " USING (tenant_id = current_setting('app.current_tenant_id')::uuid)"
    )
    assert provision("acme", template_dir=tmp_path).created
    assert provision("acme", template_dir=tmp_path).repaired == ()


def test_partitions_are_isolated_too(
    app_database: AppDatabase, provision: Provision, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text((BUILT_IN / "010_users.sql").read_text())
    (tmp_path / "2.sql").write_text(
        "CREATE TABLE IF NOT EXISTS events (tenant_id uuid, n int) PARTITION BY LIST (n);"
        "CREATE TABLE IF NOT EXISTS events_1 PARTITION OF events FOR VALUES IN (1);"
    )
    tenant = provision("acme", template_dir=tmp_path).tenant
    with app_database.owner.connect() as connection:
        set_tenant(connection, tenant.id)
        connection.execute("INSERT INTO tenant_acme.events VALUES (%s, 1)", [tenant.id])
        connection.commit()
        row = connection.execute("SELECT count(*) FROM tenant_acme.events_1").fetchone()
    assert row == (0,)


def test_what_is_not_isolated_is_found_over_all_tenants_at_once(
    app_database: AppDatabase, provision: Provision
) -> None:
    schemas = [provision(slug).tenant.schema_name for slug in ("acme", "globex", "initech")]
    with app_database.owner.connect() as connection:
        assert unisolated_tables(connection, schemas) == []
        connection.execute("ALTER TABLE tenant_acme.users NO FORCE ROW LEVEL SECURITY")
        connection.execute("ALTER TABLE tenant_globex.agents DISABLE ROW LEVEL SECURITY")
        connection.execute("DROP POLICY tenant_isolation ON tenant_globex.users")
        found = unisolated_tables(connection, schemas)
        assert [(table.schema, table.name, table.missing) for table in found] == [
            ("tenant_acme", "users", ["forced row-level security"]),
            ("tenant_globex", "agents", ["row-level security"]),
            ("tenant_globex", "users", ["policy tenant_isolation"]),
        ]
        assert unisolated_tables(connection, ["tenant_initech", "tenant_nobody"]) == []


def test_policies_are_told_apart_by_what_they_read_write_and_name(
    app_database: AppDatabase,
) -> None:
    """Equal ones are judged together; these are equal in all but one thing."""
    isolates = "tenant_id = current_setting('app.current_tenant_id')::uuid"
    policies = {
        "a_right": f"USING ({isolates})",
        "b_only_writes": f"WITH CHECK ({isolates})",
        "c_writes_all": f"USING ({isolates}) WITH CHECK (true)",
        "d_reads_all": f"USING (true) WITH CHECK ({isolates})",
        "e_restrictive": f"AS RESTRICTIVE USING ({isolates})",
        "f_reads_only": f"FOR SELECT USING ({isolates})",
        "g_other_column": "USING (parent = current_setting('app.current_tenant_id')::uuid)",
        "h_other_setting": "USING (tenant_id = current_setting('app.current_tenant')::uuid)",
        "j_right": f"USING ({isolates})",
    }
    with app_database.owner.connect() as connection:
        connection.execute("CREATE SCHEMA tenant_odd")
        for table, policy in policies.items():
            connection.execute(
                f"CREATE TABLE tenant_odd.{table} (tenant_id uuid, parent uuid)".encode()
            )
            connection.execute(
                f"ALTER TABLE tenant_odd.{table} ENABLE ROW LEVEL SECURITY,"
                f" FORCE ROW LEVEL SECURITY; CREATE POLICY tenant_isolation"
                f" ON tenant_odd.{table} {policy}".encode()
            )
        # Its first column is what tenant_id is in the others.
        connection.execute(
            "CREATE TABLE tenant_odd.k_swapped (parent uuid, tenant_id uuid);"
            "ALTER TABLE tenant_odd.k_swapped ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            "CREATE POLICY tenant_isolation ON tenant_odd.k_swapped"
            " USING (parent = current_setting('app.current_tenant_id')::uuid)"
        )
        found = [table.name for table in unisolated_tables(connection, ["tenant_odd"])]
    assert found == [*list(policies)[1:-1], "k_swapped"]


def test_to_judge_policies_waits_for_no_table_that_is_locked(
    app_database: AppDatabase, provision: Provision
) -> None:
    """To print a policy PostgreSQL opens its table; another's will do, of a name as long."""
    schemas = [provision(slug).tenant.schema_name for slug in ("acme", "ecma")]
    for schema in schemas:
        with app_database.owner.connect() as other, app_database.owner.connect() as connection:
            for table in TABLES:
                name = sql.Identifier(schema, table)
                other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(name))
            connection.execute("SET lock_timeout = '1ms'")
            assert unisolated_tables(connection, schemas) == []
