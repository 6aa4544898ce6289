"""Databases of tests: what they are called, and that none outlives its use."""

import secrets
import socket
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo

PREFIX = "test_"
_STAMP = "%Y%m%dt%H%M"
_made: dict[str, ConnInfo] = {}


def new_name() -> str:
    """A name that is new, and tells when: a run that was killed leaves its databases."""
    return f"{PREFIX}{datetime.now(UTC):{_STAMP}}_{secrets.token_hex(6)}"


def create_database(server: ConnInfo, template: ConnInfo | None = None) -> ConnInfo:
    """An empty database on a server, or a copy of ``template``, which nobody may be connected
    to. Privileges on the database itself are not copied."""
    name = new_name()
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        # Faster than the server's own way where little was written since the last checkpoint.
        statement += sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(
            sql.Identifier(template.params["dbname"])
        )
    with server.connect(autocommit=True) as connection:
        connection.execute(statement)
    _made[name] = server
    return server.with_params(dbname=name)


def drop_database(database: ConnInfo) -> None:
    """Drop one that :func:`create_database` made, whoever is connected to it."""
    name = database.params["dbname"]
    _drop(_made.pop(name), name)


def drop_all(*servers: ConnInfo) -> None:
    """Drop what is left on these servers of what this process made there."""
    for name, server in list(_made.items()):
        if server in servers:
            drop_database(server.with_params(dbname=name))


def reap(server: ConnInfo, older_than: timedelta) -> list[str]:
    """Drop the databases that tests made longer ago; returns their names."""
    with server.connect() as connection:
        query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1"
        names = [name for (name,) in connection.execute(query, [PREFIX]).fetchall()]
    limit = datetime.now(UTC) - older_than
    left = [name for name in names if _made_at(name) < limit]
    for name in left:
        _drop(server, name)
    return left


def _made_at(name: str) -> datetime:
    stamp = name.removeprefix(PREFIX).split("_")[0]
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)  # not ours


def _drop(server: ConnInfo, name: str) -> None:
    with server.connect(autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def let_in(server: ConnInfo, role: str) -> None:
    """Let a role log in as ``server.with_params(user=role)``: with the same password, if any."""
    if server.password is not None:
        with server.connect(autocommit=True) as connection:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(server.password)))


def open_socket(server: ConnInfo) -> socket.socket:
    """Connected to a server's port, or to its socket in the file system."""
    host, port = server.params["host"], server.params.get("port", "5432")
    if not host.startswith("/"):
        return socket.create_connection((host, int(port)))
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(str(Path(host) / f".s.PGSQL.{port}"))
    return connected


_passfiles: dict[str, Any] = {}


def program_dsn(database: ConnInfo) -> str:
    """A connection string for a program's arguments: without the password, which is in a file
    that lives as long as this process."""
    if database.password is None:
        return database.dsn
    if database.password not in _passfiles:
        file = tempfile.NamedTemporaryFile(prefix="test-passfile-", mode="w")  # noqa: SIM115
        escaped = database.password.replace("\\", "\\\\").replace(":", "\\:")
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        _passfiles[database.password] = file
    return database.with_params(passfile=str(Path(_passfiles[database.password].name))).dsn
