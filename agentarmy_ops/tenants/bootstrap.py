"""What must be there before the first tenant: two roles and an empty registry.

Nothing here is needed where the application made its own; what exists is left as it is, but
for the attributes a role must have for its purpose.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from agentarmy_ops.errors import DatabaseError, InvalidInputError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.postgres.reasons import reason

OWNER_ROLE = "agentarmy_owner"
BACKUP_ROLE = "agentarmy_backup"

# Two processes that create the same schema at once get an error; this makes the second wait.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('agentarmy_ops:bootstrap', 0))"


class _Role(NamedTuple):
    rolsuper: bool
    rolbypassrls: bool
    rolcanlogin: bool
    reads_all: bool
    read_only: bool


def ensure_roles(
    connection: psycopg.Connection[TupleRow],
    *,
    owner: str = OWNER_ROLE,
    backup: str = BACKUP_ROLE,
) -> None:
    """Create the two roles, as a superuser, and let them into this database.

    ``owner`` may log in, connect and create schemas, and is subject to row-level security.
    ``backup`` may log in, connect and read every row of everything (``BYPASSRLS``,
    ``pg_read_all_data``) in transactions that are read-only unless it asks otherwise. Neither
    gets a password: set one with ``ALTER ROLE`` where the server asks for it.

    Raises:
        InvalidInputError: the roles are the same, or one is the role we are connected as.
        DatabaseError: one is a superuser, or PostgreSQL refuses.
    """
    if owner == backup or connection.info.user in (owner, backup):
        raise InvalidInputError(
            f"roles {owner} and {backup} must differ from each other and from "
            f"{connection.info.user}, which creates them; name other roles"
        )
    with _errors(f"roles {owner} and {backup}"), connection.transaction():
        connection.execute(_ONE_AT_A_TIME)
        _ensure_owner(connection, owner)
        _ensure_backup(connection, backup)
        database = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("GRANT CONNECT, CREATE ON DATABASE {} TO {}").format(
                database, sql.Identifier(owner)
            )
        )
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(backup))
        )


def ensure_registry(connection: psycopg.Connection[TupleRow], *, owner: str = OWNER_ROLE) -> None:
    """Create schema ``shared`` and table ``shared.tenants``, owned by ``owner``, where they are
    missing. An existing table is never altered.

    Raises:
        DatabaseError: PostgreSQL refuses.
    """
    role = sql.Identifier(owner)
    with _errors("registry shared.tenants"), connection.transaction():
        connection.execute(_ONE_AT_A_TIME)
        if _missing(connection, "SELECT to_regnamespace('shared') IS NULL"):
            connection.execute(sql.SQL("CREATE SCHEMA shared AUTHORIZATION {}").format(role))
        if _missing(connection, "SELECT to_regclass('shared.tenants') IS NULL"):
            connection.execute(load_sql(__file__, "create_registry"))
            connection.execute(sql.SQL("ALTER TABLE shared.tenants OWNER TO {}").format(role))
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA shared TO {}").format(role))


def _ensure_owner(connection: psycopg.Connection[TupleRow], name: str) -> None:
    role = _create_role(connection, name)
    if role.rolbypassrls or not role.rolcanlogin:
        _alter_role(connection, name, "LOGIN NOBYPASSRLS")


def _ensure_backup(connection: psycopg.Connection[TupleRow], name: str) -> None:
    role = _create_role(connection, name)
    if not (role.rolbypassrls and role.rolcanlogin):
        _alter_role(connection, name, "LOGIN BYPASSRLS")
    if not role.reads_all:
        connection.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(name)))
    if not role.read_only:
        _alter_role(connection, name, "SET default_transaction_read_only = on")


def _create_role(connection: psycopg.Connection[TupleRow], name: str) -> _Role:
    role = _read_role(connection, name)
    if role is None:
        try:
            with connection.transaction():
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER").format(sql.Identifier(name))
                )
        except (pg.DuplicateObject, pg.UniqueViolation):
            pass  # roles belong to the whole server: it was made through another database
        role = _read_role(connection, name)
    if role is None or role.rolsuper:
        raise DatabaseError(
            f"role {name} is a superuser, which sees through row-level security; name another"
        )
    return role


def _read_role(connection: psycopg.Connection[TupleRow], name: str) -> _Role | None:
    with connection.cursor(row_factory=class_row(_Role)) as cursor:
        return cursor.execute(load_sql(__file__, "read_role"), {"role": name}).fetchone()


def _alter_role(connection: psycopg.Connection[TupleRow], name: str, change: str) -> None:
    connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), sql.SQL(change)))


def _missing(connection: psycopg.Connection[TupleRow], query: str) -> bool:
    row = connection.execute(query).fetchone()
    return row is not None and bool(row[0])


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseError(
            f"cannot create {what}: {reason(error)}; connect as a superuser and try again"
        ) from error
