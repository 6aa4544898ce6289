from pathlib import Path

import pytest

from agentarmy_ops.errors import ConfigurationError, DatabaseError, OpsError, ProvisioningError
from agentarmy_ops.tenants.template import BUILT_IN, read_template
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

USERS = (BUILT_IN / "010_users.sql").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / "010_users.sql").write_text(USERS)
    return folder


def everything(app_database: AppDatabase) -> object:
    """What provisioning could have left behind."""
    with app_database.superuser.connect() as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM shared.tenants),"
            " (SELECT array_agg(nspname::text ORDER BY 1) FROM pg_namespace),"
            " (SELECT count(*) FROM pg_class)"
        ).fetchone()


def test_the_built_in_files_in_order() -> None:
    names = [file.path.name for file in read_template()]
    assert names == sorted(names)
    assert [name[4:-4] for name in names] == [
        "users", "api_keys", "agents", "conversations", "messages", "usage_events",
    ]  # fmt: skip


def test_only_visible_sql_files_count(folder: Path) -> None:
    (folder / "005_first.sql").write_text("\ufeffSELECT 1")
    (folder / ".010_users.sql.swp").touch()
    (folder / ".hidden.sql").touch()
    (folder / "README.md").touch()
    files = read_template(folder)
    assert [file.path.name for file in files] == ["005_first.sql", "010_users.sql"]
    assert files[0].text == "SELECT 1"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        ({}, r"holds no \*\.sql file"),
        ({"a.sql": b"\xff\xfe"}, "is not UTF-8"),
        ({"a.sql": b"SELECT 1\0"}, "holds a NUL character"),
    ],
)
def test_a_template_that_cannot_be_read(
    tmp_path: Path, content: dict[str, bytes] | None, problem: str
) -> None:
    folder = tmp_path / "template"
    if content is not None:
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_bytes(data)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_template(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1;\n\nCREATE TABEL x ();\n", r', line 3: syntax error at or near "TABEL"'),
        ("SELECT 'ä€';\nSELECT 'ä', oops FROM users", ', line 2: column "oops" does not exist'),
        ("CREATE TABLE t (tenant_id uuid);\nSELECT 1 / 0;", r"020_x\.sql: division by zero"),
        ("CREATE TABLE t (tenant_id uuid);\nCOMMIT;", "COMMIT|transaction"),
        ("CREATE TABLE t (tenant_id uuid);\nROLLBACK;", "ROLLBACK|transaction"),
        ("CREATE TABLE t (tenant_id uuid); END; BEGIN", "transaction"),
        (
            "CREATE TABLE t (tenant_id uuid); CREATE INDEX CONCURRENTLY ON t (tenant_id)",
            "CONCURRENTLY",
        ),
        ("\\i other.sql", r', line 1: syntax error at or near "\\"'),
        ("COPY users FROM STDIN;", "COPY"),
        ("CREATE TABLE no_id (id int)", r"table tenant_acme\.no_id has no column tenant_id of"),
        ("CREATE TABLE text_id (tenant_id text)", r"tenant_acme\.text_id has no column tenant_id"),
        ('CREATE TABLE odd ("TENANT_ID" uuid)', r"tenant_acme\.odd has no column tenant_id"),
        ("DROP TABLE users", 'relation "users" does not exist'),
        ("ALTER TABLE users DROP COLUMN role", 'column "role" does not exist'),
    ],
)
def test_a_bad_template_changes_nothing(
    app_database: AppDatabase, provision: Provision, folder: Path, text: str, problem: str
) -> None:
    before = everything(app_database)
    (folder / "020_x.sql").write_text(text)
    with pytest.raises(OpsError, match=problem) as caught:
        provision("acme", template_dir=folder)
    assert isinstance(caught.value, ProvisioningError)
    assert "\n" not in str(caught.value)
    assert "acme" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert everything(app_database) == before


def test_a_connection_lost_on_the_way_is_not_the_fault_of_the_file(
    app_database: AppDatabase, provision: Provision, folder: Path
) -> None:
    (folder / "020_x.sql").write_text("SELECT pg_terminate_backend(pg_backend_pid(), 10000)")
    with pytest.raises(DatabaseError, match="connection was lost while tenant acme"):
        provision("acme", template_dir=folder)


def test_a_template_is_plain_sql(
    app_database: AppDatabase, provision: Provision, folder: Path
) -> None:
    (folder / "020_odd.sql").write_text(
        """
        CREATE TABLE IF NOT EXISTS "Odd %s {} {schema} %(x)s" (
            tenant_id uuid, t text DEFAULT $$%s {}$$
        );
        INSERT INTO "Odd %s {} {schema} %(x)s"
        SELECT current_setting('app.current_tenant_id')::uuid, '100%; {x}'
        WHERE NOT EXISTS (SELECT FROM "Odd %s {} {schema} %(x)s");
        CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql SET search_path = pg_catalog
        AS $body$ BEGIN RETURN 1; END $body$;
        SET search_path = public;
        SET app.current_tenant_id = '';
        """
    )
    (folder / "030_empty.sql").write_text("")
    (folder / "035_after.sql").write_text("COMMENT ON TABLE users IS 'in the schema again'")
    (folder / "040_comment.sql").write_text("-- nothing\n")
    tenant = provision("acme", template_dir=folder).tenant
    assert provision("acme", template_dir=folder).repaired == ()
    with app_database.superuser.connect() as connection:
        rows = connection.execute(
            'SELECT tenant_id, t FROM tenant_acme."Odd %s {} {schema} %(x)s"'
        ).fetchall()
        users = connection.execute("SELECT tenant_id FROM tenant_acme.users").fetchall()
    assert rows == [(tenant.id, "100%; {x}")]
    assert users == [(tenant.id,)]


def test_what_a_newer_template_adds_is_named(
    app_database: AppDatabase, provision: Provision, folder: Path
) -> None:
    provision("acme", template_dir=folder)
    (folder / "020_more.sql").write_text(
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS phone text;"
        "CREATE INDEX IF NOT EXISTS users_phone_idx ON users (phone);"
        "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, tenant_id uuid);"
        "CREATE OR REPLACE VIEW people WITH (security_invoker) AS SELECT id FROM users;"
    )
    assert provision("acme", template_dir=folder).repaired == (
        "column users.phone", "index users_phone_idx", "table notes", "view people",
    )  # fmt: skip
    assert provision("acme", template_dir=folder).repaired == ()
