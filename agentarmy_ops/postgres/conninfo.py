"""Where a server is and who we are there, with the password kept apart."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo as libpq
from psycopg.rows import TupleRow

from agentarmy_ops.errors import ConfigurationError, DatabaseError

# libpq keywords that are secrets themselves. A passfile can carry the first only.
_UNSUPPORTED_SECRETS = (
    "sslpassword",
    "oauth_client_secret",
    "scram_client_key",
    "scram_server_key",
)

# Else a query to a server that is gone waits for hours: keepalives are the operating system's.
_VANISHED = {
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


@dataclass(frozen=True, repr=False)
class ConnInfo:
    """A libpq connection string in two halves: what may be shown, and the password.

    ``params`` are libpq keywords (https://www.postgresql.org/docs/current/libpq-connect.html)
    without ``password``. ``repr`` and ``str`` never show the password.
    """

    params: Mapping[str, str]
    password: str | None = None

    @classmethod
    def parse(cls, url: str, *, name: str = "database URL") -> Self:
        """Parse a ``postgresql://`` URL or a ``key=value`` string.

        Raises:
            ConfigurationError: libpq cannot read it. The message names the setting ``name``
                and never contains the value.
        """
        try:
            params = {k: str(v) for k, v in libpq.conninfo_to_dict(url).items() if v is not None}
        except psycopg.ProgrammingError:
            raise ConfigurationError(
                f"{name} is not a PostgreSQL connection string; "
                "write it as postgresql://user:password@host:5432/database"
            ) from None
        for keyword in _UNSUPPORTED_SECRETS:
            if keyword in params:
                raise ConfigurationError(
                    f"{name} contains {keyword}, which cannot be handed to pg_dump without "
                    "showing it to other users of this machine; use a key without a passphrase"
                )
        password = params.pop("password", None)
        return cls(params, password)

    @property
    def dsn(self) -> str:
        """The connection string without the password: fit for argv and logs."""
        return libpq.make_conninfo("", **cast("dict[str, Any]", dict(self.params)))

    @property
    def url(self) -> str:
        """A ``postgresql://`` URL **with** the password, for libraries that want one."""
        params = dict(self.params)
        user = quote(params.pop("user", ""), safe="")
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        at = "@" if user or secret else ""
        dbname = quote(params.pop("dbname", ""), safe="")
        # libpq does not take "+" for a space.
        query = f"?{urlencode(params, quote_via=quote, safe='')}" if params else ""
        return f"postgresql://{user}{secret}{at}/{dbname}{query}"

    def with_params(self, **params: str) -> Self:
        """The same server with some keywords replaced (``dbname``, ``user``, ``options``, ...)."""
        return replace(self, params={**self.params, **params})

    def given_up_after(self, connect_seconds: int) -> Self:
        """The same server for one who must not wait for ever: who is not let in within so many
        seconds, or finds that it has vanished without a word, gets an error. What the connection
        string says of these things stays."""
        limits = {"connect_timeout": str(connect_seconds), **_VANISHED}
        return replace(self, params={**limits, **self.params})

    def connect(self, *, autocommit: bool = False, **params: str) -> "psycopg.Connection[TupleRow]":
        """Open a psycopg connection.

        Raises:
            DatabaseError: the server cannot be reached or refuses us.
        """
        keywords: dict[str, Any] = {"application_name": "agentarmy_ops", **self.params, **params}
        try:
            return psycopg.connect(password=self.password, autocommit=autocommit, **keywords)
        except psycopg.OperationalError as error:
            # libpq asks after a line, indented, whether the server is running at all.
            said = [line for line in str(error).splitlines() if not line.startswith("\t")]
            reason = said[-1].strip()
            raise DatabaseError(f"cannot connect to {self}: {reason}") from None

    @contextmanager
    def client_arguments(self) -> Iterator[list[str]]:
        """Arguments that point a client program at this server.

        The password is written to a passfile of mode 0600 that lives as long as the ``with``
        block; argv holds only its path.
        """
        params = dict(self.params)
        if self.password is None:
            yield [f"--dbname={self.dsn}"]
            return
        with tempfile.TemporaryDirectory(prefix="agentarmy_ops-") as folder:  # mode 0700
            passfile = Path(folder) / "passfile"
            passfile.touch(mode=0o600)
            escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
            passfile.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
            dsn = libpq.make_conninfo("", **{**params, "passfile": str(passfile)})
            yield [f"--dbname={dsn}"]

    def __repr__(self) -> str:
        where = self.params.get("host", "localhost")
        port = self.params.get("port")
        database = self.params.get("dbname", "")
        return f"{self.params.get('user', '')}@{where}{':' + port if port else ''}/{database}"

    __str__ = __repr__


def load_sql(package_file: str, name: str) -> bytes:
    """Read ``sql/{name}.sql`` beside the module whose ``__file__`` is ``package_file``."""
    return (Path(package_file).parent / "sql" / f"{name}.sql").read_bytes()
