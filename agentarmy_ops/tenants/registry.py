"""The application's list of tenants, ``shared.tenants``: read here, written by provisioning."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg import errors as pg
from psycopg.rows import TupleRow, class_row

from agentarmy_ops.errors import DatabaseError, InvalidInputError, TenantNotFoundError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.postgres.reasons import reason
from agentarmy_ops.tenants.slug import schema_name, validate_slug


@dataclass(frozen=True)
class Tenant:
    """One row of ``shared.tenants``. ``backup_retention`` is the tenant's own policy as text;
    None also where the application's table has no such column."""

    id: UUID
    slug: str
    name: str
    schema_name: str
    is_active: bool
    created_at: datetime
    backup_retention: str | None = None


@dataclass(frozen=True)
class Registry:
    """All of ``shared.tenants``: the tenants, and one line for each row that cannot be used."""

    tenants: list[Tenant]
    problems: list[str]


def read_registry(connection: psycopg.Connection[TupleRow]) -> Registry:
    """Read the registry, setting apart rows that break the rule of slugs and schemas.

    For callers who do not want one bad row to stop the work on all other tenants.

    Raises:
        DatabaseError: ``shared.tenants`` does not exist or cannot be read.
    """
    tenants, problems = [], []
    for row in _select(connection, None):
        problem = _problem(row)
        if problem is None:
            tenants.append(row)
        else:
            problems.append(problem)
    return Registry(tenants, problems)


def read_tenants(connection: psycopg.Connection[TupleRow]) -> list[Tenant]:
    """All tenants, active or not, ordered by slug (byte order).

    Raises:
        DatabaseError: ``shared.tenants`` does not exist, cannot be read, or holds a row whose
            slug or schema name breaks the rule.
    """
    registry = read_registry(connection)
    if registry.problems:
        raise DatabaseError("; ".join(registry.problems))
    return registry.tenants


def find_tenant(connection: psycopg.Connection[TupleRow], slug: str) -> Tenant | None:
    """The tenant of that slug, or None.

    Raises:
        InvalidInputError: ``slug`` is not one.
        DatabaseError: as in :func:`read_tenants`.
    """
    for row in _select(connection, validate_slug(slug)):
        problem = _problem(row)
        if problem is not None:
            raise DatabaseError(problem)
        return row
    return None


def read_tenant(connection: psycopg.Connection[TupleRow], slug: str) -> Tenant:
    """The tenant of that slug.

    Raises:
        TenantNotFoundError: there is none.
        InvalidInputError: ``slug`` is not one.
        DatabaseError: as in :func:`read_tenants`.
    """
    tenant = find_tenant(connection, slug)
    if tenant is None:
        raise TenantNotFoundError(
            f"there is no tenant {slug} in shared.tenants of database {connection.info.dbname}; "
            "`agentarmy-ops tenant list` shows those there are"
        )
    return tenant


def _select(connection: psycopg.Connection[TupleRow], slug: str | None) -> list[Tenant]:
    try:
        with connection.cursor(row_factory=class_row(Tenant)) as cursor:
            cursor.execute(load_sql(__file__, "read_tenants"), {"slug": slug})
            return cursor.fetchall()
    except (pg.UndefinedTable, pg.UndefinedColumn) as error:
        raise DatabaseError(
            f"database {connection.info.dbname} has no usable registry shared.tenants "
            f"({reason(error)}); run `agentarmy-ops init`, or check DATABASE_URL"
        ) from error
    except pg.InsufficientPrivilege as error:
        raise DatabaseError(
            f"role {connection.info.user} may not read shared.tenants ({reason(error)}); "
            "run `agentarmy-ops init`, or grant it SELECT"
        ) from error
    except psycopg.Error as error:
        raise DatabaseError(
            f"cannot read shared.tenants: {reason(error)}; check the server and try again"
        ) from error


def _problem(row: Tenant) -> str | None:
    try:
        expected = schema_name(row.slug)
    except InvalidInputError as error:
        return f"shared.tenants holds tenant {row.id} with a bad slug ({error}); correct that row"
    if row.schema_name != expected:
        return (
            f"shared.tenants says that tenant {row.slug} lives in schema {row.schema_name!r}, "
            f"but its slug stands for {expected}; correct that row"
        )
    return None
