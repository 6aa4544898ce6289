"""A tenant, and the platform part before it, in another database."""

from collections.abc import Callable

import pytest

from agentarmy_ops.backups.restore.platform import choose_platform, restore_platform
from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.swap import restore_tenant
from agentarmy_ops.errors import BackupNotFoundError, RestoreError, RestoreRefusedError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_backups import Lab


@pytest.fixture
def target(
    proven_lab: Lab, live_server: ConnInfo, new_database: Callable[[ConnInfo], ConnInfo]
) -> Restorer:
    """Restores into an empty database, as its superuser."""
    return Restorer(new_database(live_server), proven_lab.store)


def count(database: ConnInfo, table: str) -> int:
    with database.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_the_platform_part_then_a_tenant(proven_lab: Lab, target: Restorer) -> None:
    choice = choose_backup(proven_lab.store, "acme")
    with pytest.raises(RestoreRefusedError, match=r"no shared\.tenants; restore the platform part"):
        restore_tenant(target, choice)
    restore_platform(target, choose_platform(proven_lab.store))
    assert count(target.database, "shared.tenants") == 2
    result = restore_tenant(target, choice)
    assert not result.plan.registers
    assert not result.plan.replaces
    assert count(target.database, "tenant_acme.notes") == 400
    with pytest.raises(RestoreRefusedError, match=r"is not empty \(it has shared, tenant_acme\)"):
        restore_platform(target, choose_platform(proven_lab.store))


def test_which_platform_backup(proven_lab: Lab) -> None:
    verified = choose_platform(proven_lab.store)
    newer = proven_lab.back_up_platform()
    assert choose_platform(proven_lab.store) == verified
    assert choose_platform(proven_lab.store, force=True) == newer
    assert choose_platform(proven_lab.store, backup_id=verified.backup_id) == verified
    with pytest.raises(RestoreRefusedError, match=f"{newer.backup_id} is not verified; verify it"):
        choose_platform(proven_lab.store, backup_id=newer.backup_id)


def test_no_platform_backup(lab: Lab) -> None:
    with pytest.raises(BackupNotFoundError, match="the platform part has no complete backup in"):
        choose_platform(lab.store)


def test_what_a_platform_restore_is_refused_for(proven_lab: Lab, target: Restorer) -> None:
    manifest = choose_platform(proven_lab.store)
    roles = (*manifest.needs.roles, manifest.needs.roles[0].model_copy(update={"name": "nobody_x"}))
    snapshot = manifest.snapshot.model_copy(update={"server_version": "99.4", "encoding": "LATIN1"})
    needs = manifest.needs.model_copy(update={"roles": roles})
    other = manifest.model_copy(update={"needs": needs, "snapshot": snapshot})
    with pytest.raises(RestoreRefusedError) as caught:
        restore_platform(target, other)
    for part in (
        f"PostgreSQL 99.4, the server is {proven_lab.tools.major}",
        "LATIN1, this one is in UTF8",
        "nobody_x",
    ):
        assert part in str(caught.value)


def test_a_damaged_platform_archive_is_refused(proven_lab: Lab, target: Restorer) -> None:
    manifest = choose_platform(proven_lab.store)
    path = proven_lab.root / manifest.archive.object_name
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RestoreRefusedError, match="is not the one that was written"):
        restore_platform(target, manifest)
    with target.database.connect() as connection:
        assert connection.execute("SELECT to_regclass('shared.tenants')").fetchone() == (None,)


def test_a_platform_restore_that_fails_leaves_nothing(proven_lab: Lab, target: Restorer) -> None:
    def spoil(step: Step, _: str) -> None:
        if step is Step.DEFINITIONS:
            with target.database.connect() as connection:
                connection.execute("CREATE SCHEMA shared")

    restorer = Restorer(target.database, target.store, watch=spoil)
    with pytest.raises(RestoreError, match=r'was not restored, all was.*"shared" already exists'):
        restore_platform(restorer, choose_platform(proven_lab.store))
    with target.database.connect() as connection:
        assert connection.execute("SELECT to_regclass('shared.tenants')").fetchone() == (None,)
