"""Dagster's storage answers, and SQLAlchemy reads its URL as dagster-postgres means it.

dagster-postgres hands SQLAlchemy a bare ``postgresql://`` URL and arguments of psycopg2. Since
SQLAlchemy 2.1 such a URL means psycopg 3 where that is installed, and event writes break.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import distributions

from agentarmy_ops.doctor.finding import Finding, fail, ok
from agentarmy_ops.postgres.conninfo import ConnInfo

CHECK = "dagster-storage"
_FIRST_BROKEN = (2, 1)


def check_dagster_storage(url: str) -> Iterator[Finding]:
    """The server at ``url`` lets us in.

    Raises:
        DatabaseError: it does not.
    """
    conninfo = ConnInfo.parse(url, name="DAGSTER_DATABASE_URL")
    with conninfo.connect():
        yield ok(CHECK, f"Dagster's storage answers ({conninfo})")


def check_sqlalchemy(url: str, path: Sequence[str]) -> Finding:
    """``path`` is where installed packages are looked for: ``sys.path``."""
    sqlalchemy = _version("sqlalchemy", path)
    psycopg = _version("psycopg", path)
    bare = url.partition("://")[0] == "postgresql"
    if sqlalchemy and psycopg and bare and _major_minor(sqlalchemy) >= _FIRST_BROKEN:
        return fail(
            CHECK,
            f"SQLAlchemy {sqlalchemy} takes Dagster's postgresql:// URL for psycopg {psycopg}, "
            "which dagster-postgres cannot work with",
            "install 'sqlalchemy<2.1'",
        )
    return ok(CHECK, f"SQLAlchemy {sqlalchemy or 'is not installed'}")


def _version(name: str, path: Sequence[str]) -> str | None:
    return next((found.version for found in distributions(name=name, path=list(path))), None)


def _major_minor(version: str) -> tuple[int, int]:
    major, minor, *_ = (*version.split("."), "0")
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)
