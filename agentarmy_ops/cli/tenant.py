"""``agentarmy-ops tenant …``."""

import sys
from typing import BinaryIO

import click
from psycopg.rows import dict_row
from pydantic import SecretStr

from agentarmy_ops.backups.catalog import CatalogEntry, list_backups
from agentarmy_ops.cli.offboard import export, offboard
from agentarmy_ops.cli.options import SlugType
from agentarmy_ops.cli.output import (
    json_option,
    note,
    print_error,
    print_facts,
    print_json,
    print_table,
)
from agentarmy_ops.cli.summaries import (
    entry_summary,
    newest_verdict,
    tenant_summary,
    verdict_summary,
)
from agentarmy_ops.errors import ArchiveError, ConfigurationError, InvalidInputError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.secrets.base import secret_id
from agentarmy_ops.secrets.tenant_secrets import ADMIN_PASSWORD
from agentarmy_ops.settings import Environment
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import read_registry, read_tenant
from agentarmy_ops.tenants.sample import insert_sample_data
from agentarmy_ops.text import size

# What follows is not a password: a whole file given by mistake.
_LONGEST_PASSWORD = 4096


@click.group()
def tenant() -> None:
    """Provision tenants, look at them, and let them go."""


@tenant.command(
    epilog="""\b
Examples:
  agentarmy-ops tenant provision acme --name "Acme GmbH" --admin-email admin@acme.example
  pass show acme | agentarmy-ops tenant provision acme --name Acme \\
      --admin-email admin@acme.example --admin-password-stdin
  agentarmy-ops tenant provision acme      # repair what is missing of a tenant that exists

Never takes a password as an argument, where other users of the machine could read it; never prints
one; never changes an existing admin, name or row."""
)
@click.argument("slug", type=SlugType())
@click.option("--name", help="Display name; needed for a new tenant.")
@click.option("--admin-email", help="E-mail of the first user; needed for a new tenant.")
@click.option(
    "--admin-password-stdin", is_flag=True, help="Read the admin's password from standard input."
)
@click.option(
    "--admin-password-file",
    type=click.File("rb"),
    help="Read the admin's password from this file (without its last newline).",
)
@json_option
def provision(
    slug: str,
    *,
    name: str | None,
    admin_email: str | None,
    admin_password_stdin: bool,
    admin_password_file: BinaryIO | None,
    as_json: bool,
) -> None:
    """Make tenant SLUG exist: registry row, schema, tables, row-level security, admin user.

    All in one transaction; again, it repairs what is missing and changes nothing else. Without a
    given password, one is generated and kept as the secret SLUG-admin-password.
    """
    if admin_password_stdin and admin_password_file:
        raise click.UsageError("give --admin-password-stdin or --admin-password-file, not both")
    source = sys.stdin.buffer if admin_password_stdin else admin_password_file
    password = _read_password(source) if source else None
    runtime = Runtime()
    result = runtime.provision(slug, name=name, admin_email=admin_email, admin_password=password)
    new_admin = result.created or "admin user" in result.repaired
    secret = secret_id(slug, ADMIN_PASSWORD) if new_admin and password is None else None
    if as_json:
        print_json(
            {
                "tenant": tenant_summary(result.tenant),
                "created": result.created,
                "repaired": list(result.repaired),
                "admin_password_secret": secret,
            }
        )
        return
    if result.created:
        click.echo(f"tenant {slug} created in schema {result.tenant.schema_name}")
    elif result.repaired:
        click.echo(f"tenant {slug} repaired: {', '.join(result.repaired)}")
    else:
        click.echo(f"tenant {slug} was there already; nothing was changed")
    if secret:
        click.echo(f"the admin's password is in the secrets store as {secret}")


def _read_password(source: BinaryIO) -> SecretStr:
    if source.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return SecretStr(typed)
    data = source.read(_LONGEST_PASSWORD + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidInputError("the admin password is not UTF-8 text; give another") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if len(data) > _LONGEST_PASSWORD or not text.isprintable():
        raise InvalidInputError(
            "the admin password is not one line of printable text; give another, and nothing else"
        )
    return SecretStr(text)


@tenant.command(
    "list",
    epilog="""\b
Examples:
  agentarmy-ops tenant list
  agentarmy-ops tenant list --json | jq -r '.tenants[].slug'

Only reads. Rows of shared.tenants that cannot be used are named on stderr.""",
)
@json_option
def list_(as_json: bool) -> None:
    """List the tenants of shared.tenants."""
    with Runtime().registry() as connection:
        registry = read_registry(connection)
    if as_json:
        summaries = [tenant_summary(found) for found in registry.tenants]
        print_json({"tenants": summaries, "problems": registry.problems})
        return
    for problem in registry.problems:
        print_error(problem)
    print_table(
        ("slug", "name", "schema", "active", "created"),
        (
            (t.slug, t.name, t.schema_name, "yes" if t.is_active else "no", t.created_at)
            for t in registry.tenants
        ),
    )


@tenant.command(
    epilog="""\b
Examples:
  agentarmy-ops tenant show acme
  agentarmy-ops tenant show acme --json | jq .newest_verdict.status

Only reads. Row counts are the server's estimates; empty means that it has not counted yet."""
)
@click.argument("slug", type=SlugType())
@json_option
def show(slug: str, as_json: bool) -> None:
    """Show tenant SLUG: registry row, tables, latest backup, newest verdict."""
    runtime = Runtime()
    with runtime.registry() as connection:
        found = read_tenant(connection, slug)
        with connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(load_sql(__file__, "tables_of_schema"), {"schema": found.schema_name})
            tables = cursor.fetchall()
        query = "SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL"
        exists = connection.execute(query, [found.schema_name]).fetchone()
    entries = list_backups(runtime.store, slug)
    latest = entry_summary(entries[-1]) if entries else None
    verdict = _newest_verdict(runtime.store, entries)
    if as_json:
        print_json(
            {
                "tenant": tenant_summary(found),
                "schema_exists": exists == (True,),
                "tables": tables,
                "backups": len(entries),
                "latest_backup": latest,
                "newest_verdict": verdict,
            }
        )
        return
    print_facts(
        (
            ("tenant", found.slug),
            ("name", found.name),
            ("id", found.id),
            ("schema", found.schema_name + ("" if exists == (True,) else " (missing)")),
            ("active", "yes" if found.is_active else "no"),
            ("created", found.created_at),
            ("backups", len(entries)),
            (
                "latest backup",
                f"{latest['backup_id']} ({size(latest['stored_bytes'])})" if latest else "none",
            ),
            ("newest verdict", _verdict_line(verdict)),
        )
    )
    print_table(
        ("table", "rows (estimate)#", "size#", "row-level security"),
        (
            (t["table"], t["estimated_rows"], size(t["total_bytes"]), t["row_level_security"])
            for t in tables
        ),
    )


def _newest_verdict(store: Store, entries: list[CatalogEntry]) -> dict[str, object] | None:
    """On the newest backup that has one."""
    for entry in reversed(entries):
        try:
            verdict = newest_verdict(store, entry)
        except ArchiveError as error:
            note(f"Warning: {error}")
            continue
        if verdict:
            return verdict_summary(verdict)
    return None


def _verdict_line(verdict: dict[str, object] | None) -> str:
    if verdict is None:
        return "none"
    return f"{verdict['summary']} (backup {verdict['backup_id']})"


@tenant.command(
    "sample-data",
    epilog="""\b
Examples:
  agentarmy-ops tenant sample-data acme --rows 50000

Never runs with ENVIRONMENT staging or production; never touches a tenant that has
conversations.""",
)
@click.argument("slug", type=SlugType())
@click.option("--rows", type=click.IntRange(min=4), required=True, help="Rows in all tables.")
def sample_data(slug: str, rows: int) -> None:
    """Fill tenant SLUG with invented rows, to try things out."""
    runtime = Runtime()
    environment = runtime.settings.environment
    if environment not in (Environment.DEVELOPMENT, Environment.TESTING):
        raise ConfigurationError(
            f"tenant {slug} gets no sample data where ENVIRONMENT is {environment}; use it in "
            "development or testing"
        )
    with runtime.registry() as connection:
        found = read_tenant(connection, slug)
    inserted = insert_sample_data(runtime.owner, found, rows)
    click.echo(
        f"{inserted} rows inserted into tenant {slug}"
        if inserted
        else f"tenant {slug} has conversations already; nothing was inserted"
    )


tenant.add_command(offboard)
tenant.add_command(export)
