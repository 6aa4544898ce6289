"""Change what a restored tenant is called, in a scratch database."""

from uuid import UUID

from psycopg import sql

from agentarmy_ops.backups.queries import Connection, query
from agentarmy_ops.backups.restore.copy_names import Renaming
from agentarmy_ops.tenants.register import register_tenant


def change_tenant_id(connection: Connection, schema: str, old: UUID, new: UUID) -> None:
    """Give rows of the tenant another id, in every column ``tenant_id``.

    To be called before there are triggers, rules, foreign keys and policies, so that none acts.

    Raises:
        psycopg.Error: PostgreSQL refuses: a table is partitioned by the id, or checks it.
    """
    for row in query(connection, "tenant_id_columns", beside=__file__, schema=schema):
        # Untyped values: the column may be a uuid, a domain over it, or text.
        statement = sql.SQL("UPDATE ONLY {} SET tenant_id = {} WHERE tenant_id = {}").format(
            sql.Identifier(schema, row["table"]), str(new), str(old)
        )
        connection.execute(statement)


def register_copy(connection: Connection, tenant_id: UUID) -> None:
    """Let the copy's rows refer to their row of ``shared.tenants``, if there is such a table.

    Only the id matters: the slug may be taken in the scratch database, which shows the past.

    Raises:
        psycopg.Error: PostgreSQL refuses.
    """
    (session,) = query(connection, "restore_session", beside=__file__)
    if session["has_registry"]:
        register_tenant(connection, tenant_id, f"copy-{tenant_id.hex}", "copy")


def mend(connection: Connection, schema: str, renaming: Renaming, *, comments: bool) -> None:
    """Replace old names in the text of functions, procedures and policies, and of comments if
    asked.

    Raises:
        psycopg.Error: PostgreSQL refuses.
    """
    for row in query(connection, "routines", beside=__file__, schema=schema):
        if renaming.is_in(row["definition"]):
            connection.execute(renaming.apply(row["definition"]).encode())
    for row in query(connection, "policies", beside=__file__, schema=schema):
        _mend_policy(connection, schema, row, renaming)
    if comments:
        _mend_comments(connection, renaming)


def _mend_policy(
    connection: Connection, schema: str, row: dict[str, str | None], renaming: Renaming
) -> None:
    statement = sql.SQL("ALTER POLICY {} ON {}").format(
        sql.Identifier(row["policy"] or ""), sql.Identifier(schema, row["table"] or "")
    )
    clauses = [
        f" {keyword} ({renaming.apply(expression)})"
        for keyword, expression in (("USING", row["using"]), ("WITH CHECK", row["check"]))
        if expression and renaming.is_in(expression)
    ]
    if clauses:
        connection.execute(statement.as_bytes(connection) + "".join(clauses).encode())


def _mend_comments(connection: Connection, renaming: Renaming) -> None:
    """In the catalogue itself: COMMENT has a syntax for each of forty kinds of objects, and the
    scratch database is thrown away."""
    for row in query(connection, "comments", beside=__file__):
        if renaming.is_in(row["description"]):
            connection.execute(
                "UPDATE pg_description SET description = %s"
                " WHERE objoid = %s AND classoid = %s AND objsubid = %s",
                [
                    renaming.apply(row["description"]),
                    row["objoid"],
                    row["classoid"],
                    row["objsubid"],
                ],
            )
