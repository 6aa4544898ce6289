"""``agentarmy-ops init``."""

import click

from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.bootstrap import (
    BACKUP_ROLE,
    OWNER_ROLE,
    ensure_registry,
    ensure_roles,
)


@click.command(
    short_help="Create the roles and the registry.",
    epilog="""\b
Examples:
  DATABASE_URL=postgresql://postgres@db.internal/app agentarmy-ops init

Afterwards give both roles a password (ALTER ROLE ... PASSWORD), and set DATABASE_URL to
agentarmy_owner and BACKUP_DATABASE_URL to agentarmy_backup.

Never alters an existing registry, never sets a password. With the embedded server there is nothing
to do: it is made ready when it is first started.""",
)
def init() -> None:
    """Create the two roles and the registry shared.tenants where they are missing.

    Set DATABASE_URL to a superuser of the application's database for this one command. Again, it
    changes nothing.
    """
    runtime = Runtime()
    where = runtime.owner  # an embedded server is ready when this is known
    if runtime.settings.database_url is not None:
        with where.connect() as connection:
            ensure_roles(connection)
            ensure_registry(connection)
    click.echo(f"roles {OWNER_ROLE} and {BACKUP_ROLE} and shared.tenants are in place ({where})")
