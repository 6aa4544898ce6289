"""What restores are tried with."""

from collections.abc import Callable
from typing import Any

import pytest

from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.stored import Choice, choose_backup
from agentarmy_ops.backups.restore.swap import RestoreResult, restore_tenant
from agentarmy_ops.tenants.bootstrap import OWNER_ROLE
from agentarmy_ops_tests.fix_backups import Lab, NewLab


def restorer(lab: Lab, **changes: Any) -> Restorer:
    """Restores into the lab's database as the role that owns the tenants."""
    database = lab.database.with_params(user=OWNER_ROLE)
    return Restorer(**{"database": database, "store": lab.store, **changes})


def restore(lab: Lab, choice: Choice | None = None, **changes: Any) -> RestoreResult:
    """Restore ``choice``, else acme's newest verified backup."""
    chosen = choice or choose_backup(lab.store, "acme")
    return restore_tenant(restorer(lab, **changes), chosen)


@pytest.fixture
def proven_lab(new_lab: NewLab) -> Lab:
    """A lab with the small tenants acme and globex, each with one verified backup."""
    lab = new_lab()
    lab.add_small_tenant("acme")
    lab.add_small_tenant("globex")
    refs = [lab.back_up(slug).ref for slug in ("acme", "globex")]
    lab.back_up_platform()
    lab.verify(*refs)
    return lab


@pytest.fixture
def rows(proven_lab: Lab) -> Callable[[str], int]:
    """How many rows a query gives as the superuser: ``rows("tenant_acme.notes")``."""

    def count(table: str) -> int:
        with proven_lab.database.connect() as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return int(row[0])

    return count
