"""The role backups are made as must see every row, and had better be able to do nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow, class_row

from agentarmy_ops.doctor.finding import Finding, fail, ok, warn
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.settings import Environment

CHECK = "backup-role"
_ADVICE = "run 'agentarmy-ops init' and set BACKUP_DATABASE_URL to role agentarmy_backup"


@dataclass(frozen=True)
class _Role:
    name: str
    is_superuser: bool
    bypasses_rls: bool
    reads_all: bool
    read_only: bool


def check_backup_role(
    connection: psycopg.Connection[TupleRow], owner: str, environment: Environment
) -> Iterator[Finding]:
    """``connection`` is the backup role's; ``owner`` is the role of ``DATABASE_URL``."""
    with connection.cursor(row_factory=class_row(_Role)) as cursor:
        (role,) = cursor.execute(load_sql(__file__, "backup_role")).fetchall()
    if not (role.is_superuser or role.bypasses_rls):
        yield fail(
            CHECK,
            f"role {role.name} does not see all rows: it has neither BYPASSRLS nor superuser",
            _ADVICE,
        )
    elif not role.reads_all:
        yield fail(
            CHECK,
            f"role {role.name} may not read every table: it is no member of pg_read_all_data",
            f"GRANT pg_read_all_data TO {role.name}, or " + _ADVICE,
        )
    else:
        yield ok(CHECK, f"role {role.name} sees all rows of all tables")
    if role.name == owner:
        level = warn if environment in (Environment.DEVELOPMENT, Environment.TESTING) else fail
        yield level(CHECK, f"backups are made as {owner}, the role that owns tenants", _ADVICE)
    elif role.is_superuser:
        yield warn(CHECK, f"role {role.name} is a superuser", _ADVICE)
    elif not role.read_only:
        yield warn(
            CHECK,
            f"sessions of role {role.name} are not read-only by default",
            f"ALTER ROLE {role.name} SET default_transaction_read_only = on",
        )
