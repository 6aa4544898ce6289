"""What restores are tried with."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.stored import Choice, choose_backup
from agentarmy_ops.backups.restore.swap import RestoreResult, restore_tenant
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops_tests.databases import drop_database
from agentarmy_ops_tests.fix_backups import Lab, copy_of, make_database


def restorer(lab: Lab, **changes: Any) -> Restorer:
    """Restores into the lab's database as the role that owns the tenants."""
    database = lab.database.with_params(user=OWNER_ROLE)
    return Restorer(**{"database": database, "store": lab.store, **changes})


def restore(lab: Lab, choice: Choice | None = None, **changes: Any) -> RestoreResult:
    """Restore ``choice``, else acme's newest verified backup."""
    chosen = choice or choose_backup(lab.store, "acme")
    return restore_tenant(restorer(lab, **changes), chosen)


@pytest.fixture(scope="session")
def proven_origin(
    live_server: ConnInfo,
    scratch_server: ConnInfo,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lab:
    """A lab with the small tenants acme and globex, each with one verified backup. To be copied."""
    database = make_database(live_server)
    lab = Lab(database, tmp_path_factory.mktemp("proven"), scratch_server)
    for slug in ("acme", "globex"):
        lab.add_small_tenant(slug)
    refs = [lab.back_up(slug).ref for slug in ("acme", "globex")]
    lab.back_up_platform()
    assert all(verdict.status is Status.VERIFIED for verdict in lab.verify(*refs))
    return lab


@pytest.fixture
def proven_lab(proven_origin: Lab, live_server: ConnInfo, tmp_path: Path) -> Iterator[Lab]:
    """A copy of the proven lab, database and store, of the test's own."""
    root = shutil.copytree(proven_origin.root, tmp_path / "store")
    database = copy_of(live_server, proven_origin.database)
    yield Lab(database, root, proven_origin.scratch_server, dict(proven_origin.tenants))
    drop_database(database)


@pytest.fixture
def rows(proven_lab: Lab) -> Callable[[str], int]:
    """How many rows a query gives as the superuser: ``rows("tenant_acme.notes")``."""

    def count(table: str) -> int:
        with proven_lab.database.connect() as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return int(row[0])

    return count
