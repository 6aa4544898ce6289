"""Take a restore back, or let go of what was kept for that."""

from agentarmy_ops.backups.queries import query
from agentarmy_ops.backups.restore.aside import (
    TABLES,
    UNDONE,
    Aside,
    bring_back,
    choose_aside,
    drop_aside,
    find_asides,
    put_aside,
)
from agentarmy_ops.backups.restore.session import (
    Restorer,
    exchange,
    locked_session,
    open_session,
)
from agentarmy_ops.errors import RestoreRefusedError
from agentarmy_ops.tenants.schema import schema_exists
from agentarmy_ops.tenants.slug import schema_name


def list_kept(restorer: Restorer, slug: str | None = None) -> list[Aside]:
    """Schemas that are aside, of a tenant or of all, oldest first.

    Raises:
        DatabaseError: the database cannot be reached or read.
    """
    with open_session(restorer) as connection:
        return find_asides(connection, slug)


def undo_restore(restorer: Restorer, slug: str, *, aside: str | None = None) -> tuple[Aside, Aside]:
    """Swap the tenant's schema with the newest one aside, or the one of that name; returns the
    one that came back and the one that is aside now. Again, it swaps back.

    Raises:
        RestoreRefusedError: there is none, or something outside depends on the tenant's schema.
        RestoreError: PostgreSQL refuses; the tenant is as it was.
        TenantBusyError: another operation holds the tenant's lock.
    """
    with locked_session(restorer, slug) as connection:
        whole = [one for one in find_asides(connection, slug) if one.why != TABLES]
        back = choose_aside(whole, slug, aside)
        schema = schema_name(slug)
        if not schema_exists(connection, schema):
            raise RestoreRefusedError(f"tenant {slug} has no schema to swap {back.schema} with")
        if rows := query(connection, "dependents", schemas=[schema]):
            raise RestoreRefusedError(
                f"{rows[0]['type']} {rows[0]['identity']} outside of schema {schema} depends on it "
                "and would go on with the tables put aside; drop it first"
            )
        with exchange(restorer, connection, slug):
            kept = put_aside(connection, slug, why=UNDONE, replaced_by=back.schema)
            bring_back(connection, back)
        return back, kept


def drop_kept(restorer: Restorer, slug: str, *, aside: str | None = None) -> list[Aside]:
    """Drop the tenant's schemas that are aside, or the one of that name; returns what was dropped.

    Raises:
        RestoreRefusedError: there is none, or something outside depends on one.
        RestoreError: PostgreSQL refuses; nothing was dropped.
        TenantBusyError: another operation holds the tenant's lock.
    """
    with locked_session(restorer, slug) as connection:
        found = find_asides(connection, slug)
        chosen = [choose_aside(found, slug, aside)] if aside or not found else found
        with exchange(restorer, connection, slug):
            for one in chosen:
                drop_aside(connection, one)
        return chosen
