"""A restore gives the tenant the backup, whole, and keeps what was there."""

from collections.abc import Callable

import pytest

from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.swap import restore_tenant
from agentarmy_ops_tests.backups.restore.conftest import restore
from agentarmy_ops_tests.fix_backups import Lab


def test_a_restore_gives_back_every_row_and_object(
    proven_lab: Lab, rows: Callable[[str], int]
) -> None:
    backed_up = choose_backup(proven_lab.store, "acme").manifest
    proven_lab.run("DELETE FROM notes; ALTER TABLE users DROP COLUMN email CASCADE", "acme")
    result = restore(proven_lab)
    assert proven_lab.back_up("acme").fingerprint == backed_up.fingerprint
    assert result.aside is not None
    assert rows(f'"{result.aside.schema}".notes') == 0  # what was there is kept
    assert rows(f'"{result.aside.schema}".users') == 20


def test_each_step_is_told(proven_lab: Lab) -> None:
    told: list[tuple[Step, str]] = []
    restore(proven_lab, watch=lambda step, table: told.append((step, table)))
    assert told == [
        (Step.READ, ""),
        (Step.LOCK, ""),
        (Step.PUT_ASIDE, ""),
        (Step.DEFINITIONS, ""),
        (Step.ROWS, "tenant_acme.notes"),
        (Step.ROWS, "tenant_acme.users"),
        (Step.CHECK_ROWS, "tenant_acme.notes"),
        (Step.CHECK_ROWS, "tenant_acme.users"),
        (Step.SEQUENCES, ""),
        (Step.CONSTRAINTS, ""),
        (Step.CHECK, ""),
        (Step.COMMIT, ""),
        (Step.DONE, ""),
    ]


def test_rows_may_refer_to_the_registrys_row_that_is_gone_with_the_tenant(lab: Lab) -> None:
    lab.run("GRANT SELECT, REFERENCES ON shared.tenants TO agentarmy_owner")
    lab.run("ALTER TABLE users ADD FOREIGN KEY (tenant_id) REFERENCES shared.tenants", "acme")
    lab.back_up("acme")
    lab.run("DROP SCHEMA tenant_acme CASCADE; DELETE FROM shared.tenants")
    result = restore(lab, choose_backup(lab.store, "acme", force=True))
    assert result.plan.registers


def test_a_materialized_view_of_the_owner_is_filled(
    proven_lab: Lab, rows: Callable[[str], int]
) -> None:
    tenant = proven_lab.tenants["acme"].id
    proven_lab.run(
        f"SELECT set_config('app.current_tenant_id', '{tenant}', true);"
        "SET LOCAL ROLE agentarmy_owner;"
        "CREATE MATERIALIZED VIEW bodies AS SELECT id, body FROM notes",
        "acme",
    )
    proven_lab.verify(proven_lab.back_up("acme").ref)
    proven_lab.run("DROP MATERIALIZED VIEW bodies", "acme")
    restore(proven_lab)
    assert rows("tenant_acme.bodies") == 400


@pytest.mark.parametrize("major", [16, 18])
def test_a_tenant_with_nearly_everything_comes_back(
    hard_labs: Callable[[int], Lab], major: int
) -> None:
    lab = hard_labs(major)
    lab.add_hard_tenant("hard")
    backed_up = lab.back_up("hard")
    choice = choose_backup(lab.store, "hard", force=True)
    restore_tenant(Restorer(lab.database, lab.store), choice, force=True)
    assert lab.back_up("hard").fingerprint == backed_up.fingerprint
