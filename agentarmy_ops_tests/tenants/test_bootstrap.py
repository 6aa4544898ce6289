from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from agentarmy_ops.errors import DatabaseError, InvalidInputError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.bootstrap import ensure_registry, ensure_roles
from agentarmy_ops_tests.databases import let_in
from agentarmy_ops_tests.fix_tenants import AppDatabase


@pytest.fixture
def database(live_server: ConnInfo, new_database: Callable[[ConnInfo], ConnInfo]) -> ConnInfo:
    return new_database(live_server)


@pytest.fixture
def roles(database: ConnInfo, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two names with need of quoting, dropped after the test."""
    suffix = database.params["dbname"]
    names = f'Owner "{suffix}"', f"back up {suffix}"

    def drop() -> None:
        with database.connect() as connection:
            for name in names:
                if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                    for statement in ("DROP OWNED BY {} CASCADE", "DROP ROLE {}"):
                        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    request.addfinalizer(drop)
    return names


def attributes(connection: psycopg.Connection[TupleRow], name: str) -> object:
    return connection.execute(
        "SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolconfig,"
        " pg_has_role(oid, 'pg_read_all_data', 'MEMBER') FROM pg_roles WHERE rolname = %s",
        [name],
    ).fetchone()


def test_roles_have_what_they_need_and_no_more(database: ConnInfo, roles: tuple[str, str]) -> None:
    owner, backup = roles
    with database.connect() as connection:
        connection.execute(
            "REVOKE ALL ON DATABASE {} FROM PUBLIC".format(database.params["dbname"])
        )
        for _ in range(2):
            ensure_roles(connection, owner=owner, backup=backup)
            assert attributes(connection, owner) == (False, False, True, False, None, False)
            assert attributes(connection, backup) == (
                False, True, True, False, ["default_transaction_read_only=on"], True,
            )  # fmt: skip
        ensure_registry(connection, owner=owner)
    for role in roles:
        let_in(database, role)
    with database.with_params(user=owner).connect() as connection:
        connection.execute("CREATE SCHEMA something")
        connection.execute(
            "INSERT INTO shared.tenants (slug, name, schema_name) VALUES ('abc', '', '')"
        )
    with database.with_params(user=backup).connect() as connection:
        assert connection.execute("SELECT count(*) FROM shared.tenants").fetchone() == (1,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMPORARY TABLE t ()")


def test_attributes_that_drifted_are_put_right(database: ConnInfo, roles: tuple[str, str]) -> None:
    owner, backup = roles
    with database.connect() as connection:
        for name, wrong in ((owner, "BYPASSRLS"), (backup, "NOLOGIN")):
            connection.execute(
                sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), sql.SQL(wrong))
            )
        ensure_roles(connection, owner=owner, backup=backup)
        assert attributes(connection, owner) == (False, False, True, False, None, False)
        assert attributes(connection, backup) == (
            False, True, True, False, ["default_transaction_read_only=on"], True,
        )  # fmt: skip


def test_a_superuser_is_never_used(database: ConnInfo, roles: tuple[str, str]) -> None:
    with database.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER").format(sql.Identifier(roles[0])))
        connection.commit()
        with pytest.raises(DatabaseError, match="is a superuser"):
            ensure_roles(connection, owner=roles[0], backup=roles[1])
        with pytest.raises(InvalidInputError, match="must differ"):
            ensure_roles(connection, owner=connection.info.user, backup=roles[1])
        with pytest.raises(InvalidInputError, match="must differ"):
            ensure_roles(connection, owner=roles[0], backup=roles[0])


def test_an_existing_registry_is_left_alone(app_database: AppDatabase) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("DROP TABLE shared.tenants")
        connection.execute("CREATE TABLE shared.tenants (mine int)")
        connection.execute("INSERT INTO shared.tenants VALUES (1)")
        ensure_registry(connection)
        assert connection.execute("SELECT mine FROM shared.tenants").fetchone() == (1,)
        assert connection.execute(
            "SELECT tableowner FROM pg_tables WHERE schemaname = 'shared'"
        ).fetchone() == (connection.info.user,)


def test_the_registry_may_join_an_existing_schema(app_database: AppDatabase) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("DROP SCHEMA shared CASCADE")
        connection.execute("CREATE SCHEMA shared")
        ensure_registry(connection)
    with app_database.owner.connect() as connection:
        connection.execute("SELECT id FROM shared.tenants")


def test_a_refusal_is_one_line(app_database: AppDatabase) -> None:
    with app_database.backup.connect() as connection:
        with pytest.raises(DatabaseError, match=r"cannot create roles .*; connect as a superuser"):
            ensure_roles(connection, owner="agentarmy_new_1", backup="agentarmy_new_2")
        connection.execute("SET transaction_read_only = off")
    with app_database.superuser.connect() as connection:
        connection.execute("DROP SCHEMA shared CASCADE")
    with (
        app_database.backup.connect() as connection,
        pytest.raises(DatabaseError, match=r"cannot create registry shared.tenants"),
    ):
        ensure_registry(connection)
