"""A tenant schema with nearly everything PostgreSQL can put into one, to prove backups on.

``sql/tenant`` holds one file per topic; all of it comes back unchanged from a dump and a
restore. ``sql/outside`` holds what does not, each with the reason.
"""

import uuid
from collections.abc import Iterable
from pathlib import Path

from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo

_SQL = Path(__file__).parent / "sql"

#: Names for `apply_outside`.
OUTSIDE: tuple[str, ...] = tuple(sorted(path.stem for path in (_SQL / "outside").glob("*.sql")))


def create_roles(superuser: ConnInfo) -> None:
    """Make the fixture's roles unless the cluster has them; a scratch server needs them too."""
    with superuser.connect(autocommit=True) as connection:
        connection.execute((_SQL / "roles.sql").read_bytes())


def create_shared(superuser: ConnInfo) -> None:
    """Fill schema ``shared`` of a database, once, with what the hard tenants refer to."""
    create_roles(superuser)
    with superuser.connect(autocommit=True) as connection:
        connection.execute((_SQL / "shared.sql").read_bytes())


def create_hard_tenant(
    superuser: ConnInfo, schema: str, tenant_id: uuid.UUID, owner: str = "agentarmy_owner"
) -> None:
    """Make ``schema`` and everything in it; `create_shared` comes first."""
    with superuser.connect(autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(
                sql.Identifier(schema), sql.Identifier(owner)
            )
        )
    files = sorted((_SQL / "tenant").glob("*.sql"))
    _run(superuser, files, schema, tenant_id, owner)


def apply_outside(
    superuser: ConnInfo,
    name: str,
    schema: str,
    tenant_id: uuid.UUID,
    owner: str = "agentarmy_owner",
    *,
    other_schema: str = "",
) -> None:
    """Add one of `OUTSIDE` to a hard tenant.

    ``other_schema`` is the second hard tenant that ``foreign_key_to_other_tenant`` refers to.
    """
    _run(
        superuser,
        [_SQL / "outside" / f"{name}.sql", _SQL / "tenant" / "99_row_level_security.sql"],
        schema,
        tenant_id,
        owner,
        other_schema=other_schema,
    )


def _run(
    superuser: ConnInfo,
    files: Iterable[Path],
    schema: str,
    tenant_id: uuid.UUID,
    owner: str,
    *,
    other_schema: str = "",
) -> None:
    """Run each file in its own transaction, as the owner, with plain names meaning ``schema``."""
    settings = {
        "search_path": sql.Identifier(schema).as_string(),
        "timezone": "UTC",
        "app.current_tenant_id": str(tenant_id),
        "app.hard_owner": owner,
        "app.hard_other_schema": other_schema,
    }
    with superuser.connect(autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        for path in files:
            connection.execute("SELECT set_config('role', %s, false)", (owner,))
            try:
                connection.execute(path.read_bytes())
            except Exception as error:
                error.add_note(f"in {path}")
                raise
