"""A throw-away server where archives are restored to be looked at; never the live one."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock

import psycopg
from psycopg import sql

from agentarmy_ops.errors import DatabaseError, OpsError, VerificationError
from agentarmy_ops.postgres.conninfo import ConnInfo, load_sql
from agentarmy_ops.postgres.reasons import reason

PREFIX = "agentarmy_scratch_"
_STAMP = "%Y%m%dt%H%M%Sz"


@dataclass(frozen=True)
class DatabaseFacts:
    """What a copy of a database must share with it for values to read the same."""

    encoding: str
    collate: str
    ctype: str
    lc_monetary: str


@dataclass(frozen=True)
class ScratchServer:
    """A server we may make and drop databases and roles on.

    ``server`` connects to a maintenance database of it as a role that may do so (a superuser,
    where archives hold what only a superuser can create). What the server is, is asked for once.
    """

    server: ConnInfo
    _roles: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def server_version(self) -> str:
        """e.g. ``16.14``.

        Raises:
            VerificationError: the server cannot be reached.
        """
        return self._version

    @cached_property
    def _version(self) -> str:
        with self._connection() as connection:
            return str(connection.info.parameter_status("server_version")).split()[0]

    @cached_property
    def lock_table(self) -> int:
        """How many locks all its sessions together have room for (``lock.c``).

        Raises:
            VerificationError: the server cannot be reached.
        """
        with self._connection() as connection:
            (found,) = connection.execute(load_sql(__file__, "lock_table")).fetchall()
        return int(found[0])

    @contextmanager
    def _connection(self) -> Iterator["psycopg.Connection"]:
        try:
            with self.server.connect(autocommit=True) as connection:
                yield connection
        except DatabaseError as error:
            raise VerificationError(f"the scratch server is not there: {error}") from error
        except psycopg.Error as error:
            raise VerificationError(f"the scratch server failed: {reason(error)}") from error

    def available_extensions(self) -> frozenset[str]:
        """Names of the extensions that can be created on the server.

        Raises:
            VerificationError: the server cannot be reached.
        """
        return self._extensions

    @cached_property
    def _extensions(self) -> frozenset[str]:
        with self._connection() as connection:
            rows = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
        return frozenset(row[0] for row in rows)

    def ensure_roles(self, roles: Mapping[str, bool]) -> None:
        """Create the roles that are missing, without login, so that owners and grants fit;
        ``roles`` says of each whether it must see through row-level security.

        Raises:
            VerificationError: the server cannot be reached, or the role may not make them.
        """
        with self._lock:  # two sessions that alter one role at once fail
            wanting = {name: sees for name, sees in roles.items() if self._unsure_of(name, sees)}
            if wanting:
                self._make_roles(wanting)
                self._roles.update(wanting)

    def _unsure_of(self, name: str, sees_all: bool) -> bool:
        return name not in self._roles or sees_all > self._roles[name]

    def _make_roles(self, roles: Mapping[str, bool]) -> None:
        with self._connection() as connection:
            query = "SELECT rolname, rolbypassrls OR rolsuper FROM pg_roles"
            there: dict[str, bool] = dict(connection.execute(query).fetchall())
            for name, bypasses_rls in roles.items():
                role = sql.Identifier(name)
                if name not in there:
                    with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
                if bypasses_rls and not there.get(name):
                    connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(role))

    @contextmanager
    def database(
        self, facts: DatabaseFacts, *, template: ConnInfo | None = None
    ) -> Iterator[ConnInfo]:
        """A database like the one described, dropped at the end of the block: empty, or a copy
        of the scratch database ``template``, which nobody may be connected to.

        Raises:
            VerificationError: the server is not there or cannot hold such a database.
        """
        stamp = datetime.now(UTC).strftime(_STAMP)
        name = f"{PREFIX}{stamp}_{secrets.token_hex(4)}"
        origin = "template0" if template is None else template.params["dbname"]
        statement = sql.SQL(
            "CREATE DATABASE {} TEMPLATE {} ENCODING {} LC_COLLATE {} LC_CTYPE {}"
        ).format(
            sql.Identifier(name),
            sql.Identifier(origin),
            facts.encoding,
            facts.collate,
            facts.ctype,
        )
        with self._connection() as connection:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                raise VerificationError(
                    "the scratch server cannot make a database like the live one "
                    f"({reason(error)}); set SCRATCH_DATABASE_URL to a "
                    "server with the same locales"
                ) from error
        try:
            yield self.server.with_params(dbname=name)
        finally:
            with suppress(OpsError):  # reap() takes what could not be dropped now
                self._drop(name)

    def _drop(self, name: str) -> None:
        with self._connection() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def reap(self, older_than: timedelta) -> list[str]:
        """Drop scratch databases that a killed process left behind; returns their names."""
        left = self.left_behind(older_than)
        for name in left:
            self._drop(name)
        return left

    def left_behind(self, older_than: timedelta) -> list[str]:
        """Names of scratch databases made longer ago than ``older_than``."""
        limit = datetime.now(UTC) - older_than
        with self._connection() as connection:
            rows = connection.execute(
                load_sql(__file__, "scratch_databases"), {"prefix": PREFIX}
            ).fetchall()
        return [row[0] for row in rows if _made_at(row[0]) < limit]


def _made_at(name: str) -> datetime:
    stamp = name.removeprefix(PREFIX).split("_")[0]
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        # Ours by its prefix but of no known age: leave it to people.
        return datetime.max.replace(tzinfo=UTC)
