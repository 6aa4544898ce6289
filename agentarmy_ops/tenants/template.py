"""The SQL files that fill a new tenant's schema.

A template is a folder of ``*.sql`` files, run in the order of their names, in one
transaction, by the role that owns the schema. They are plain SQL without placeholders:

* ``search_path`` is the tenant's schema alone, so ``CREATE TABLE users (...)`` makes the
  tenant's table; name the schema of anything else (``public.vector``).
* The tenant's id is ``current_setting('app.current_tenant_id')::uuid``.
* They run again on every provisioning, and must then change nothing: write
  ``CREATE TABLE IF NOT EXISTS``, ``CREATE INDEX IF NOT EXISTS``, ``INSERT ... ON CONFLICT DO
  NOTHING``, ``CREATE OR REPLACE FUNCTION`` (with ``SET search_path``, or the tenant cannot be
  restored).
* Every table has a column ``tenant_id uuid NOT NULL``. Row-level security is not their
  business: provisioning adds it to every table (``isolation.py``).
* There is a table ``users`` with the columns of the built-in one that have no default.
* ``COMMIT`` and the like, ``COPY ... FROM STDIN`` and psql's backslash commands are refused.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from agentarmy_ops.errors import ConfigurationError, ProvisioningError
from agentarmy_ops.localfiles import explain
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.postgres.reasons import reason

BUILT_IN = Path(__file__).parent / "sql" / "template"


@dataclass(frozen=True)
class TemplateFile:
    """One file of a template."""

    path: Path
    text: str


def read_template(folder: Path | None = None) -> list[TemplateFile]:
    """The files of ``folder``, or of the built-in template, in the order they are run.

    Raises:
        ConfigurationError: the folder cannot be read or holds no ``*.sql`` file, or a file
            is not UTF-8.
    """
    folder = BUILT_IN if folder is None else folder
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == ".sql" and p.name[0] != ".")
        files = [TemplateFile(path, path.read_text(encoding="utf-8-sig")) for path in paths]
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the tenant template in {error.filename or folder} (TENANT_SQL_DIR): "
            f"{explain(error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"a file of the tenant template in {folder} (TENANT_SQL_DIR) is not UTF-8: "
            f"{error.reason} at byte {error.start}; save it as UTF-8"
        ) from error
    for file in files:
        if "\0" in file.text:
            raise ConfigurationError(f"{file.path} is not SQL: it holds a NUL character; mend it")
    if not files:
        raise ConfigurationError(
            f"the tenant template in {folder} (TENANT_SQL_DIR) holds no *.sql file; put some "
            "there, or unset TENANT_SQL_DIR for the built-in template"
        )
    return files


def run_file(connection: psycopg.Connection[TupleRow], slug: str, file: TemplateFile) -> None:
    """Run a file for the tenant ``slug`` in the current transaction, whose ``search_path`` and
    tenant are set.

    Raises:
        ProvisioningError: it failed; the message names the file and, where PostgreSQL tells
            it, the line. The transaction is aborted.
    """
    try:
        # Inside EXECUTE, PostgreSQL itself refuses what would end the transaction.
        connection.execute(load_sql(__file__, "set_statements"), {"statements": file.text})
        connection.execute(load_sql(__file__, "execute_statements"))
    except psycopg.Error as error:
        if connection.closed:
            raise
        raise ProvisioningError(
            f"tenant {slug} was not provisioned (nothing was changed): "
            f"{file.path}{_line(error, file.text)}: {reason(error)}; mend that file and "
            "provision the tenant again"
        ) from error


def _line(error: psycopg.Error, text: str) -> str:
    position = error.diag.internal_position
    if position is None or error.diag.internal_query != text:
        return ""
    return f", line {text.count(chr(10), 0, int(position) - 1) + 1}"
