"""The job that brings a tenant back."""

from collections.abc import Callable

import pytest
from dagster import DagsterEventType, ExecuteInProcessResult

from agentarmy_ops.backups.restore.undo import list_kept
from agentarmy_ops_tests.fix_dagster import Stack, failure_of
from agentarmy_ops_tests.fix_tenants import AppDatabase


@pytest.fixture
def proven(stack: Stack) -> Stack:
    """A stack with tenant acme, which has one verified backup."""
    stack.tenants("acme")
    assert stack.run("backup_tenants", partition="acme").success
    assert stack.run("verify_restores", partition="acme").success
    return stack


@pytest.fixture
def users(app_database: AppDatabase) -> Callable[[], int]:
    def count() -> int:
        with app_database.superuser.connect() as connection:
            row = connection.execute("SELECT count(*) FROM tenant_acme.users").fetchone()
        assert row is not None
        return int(row[0])

    return count


def restore(stack: Stack, **config: object) -> ExecuteInProcessResult:
    ops = {"restore_one_tenant": {"config": {"tenant": "acme", **config}}}
    return stack.run("restore_tenant", ops=ops)


def _lose_users(app_database: AppDatabase) -> None:
    with app_database.superuser.connect() as connection:
        connection.execute("DELETE FROM tenant_acme.users")


def test_a_tenant_is_restored_and_undone(
    proven: Stack, app_database: AppDatabase, users: Callable[[], int]
) -> None:
    _lose_users(app_database)
    result = restore(proven, confirm="acme")
    assert result.success
    assert users() == 1
    (observed,) = result.filter_events(
        lambda event: event.event_type is DagsterEventType.ASSET_OBSERVATION
    )
    observation = observed.asset_observation_data.asset_observation
    assert observation.partition == "acme"
    assert observation.metadata["rows"].value == 1
    assert restore(proven, confirm="acme", undo=True).success
    assert users() == 0


def test_without_confirmation_only_the_plan_is_shown(
    proven: Stack, app_database: AppDatabase, users: Callable[[], int]
) -> None:
    _lose_users(app_database)
    result = restore(proven)
    assert result.success
    assert users() == 0
    assert any("this is the plan only" in str(e) for e in proven.instance.all_logs(result.run_id))
    assert list_kept(proven.runtime.restorer()) == []


def test_copies_are_made_beside_the_tenant(
    proven: Stack, app_database: AppDatabase, users: Callable[[], int]
) -> None:
    _lose_users(app_database)
    assert restore(proven, confirm="acme", tables=["users"]).success
    (beside,) = list_kept(proven.runtime.restorer())
    assert restore(proven, confirm="acme", as_tenant="acme-copy").success
    with app_database.superuser.connect() as connection:
        for schema in (beside.schema, "tenant_acme_copy"):
            counted = connection.execute(f'SELECT count(*) FROM "{schema}".users'.encode())
            assert counted.fetchone() == (1,)
    assert users() == 0


BAD: list[tuple[dict[str, object], str]] = [
    ({"confirm": "acme2"}, "confirm is 'acme2', not the tenant's slug 'acme'"),
    ({"confirm": "acme", "before": "yesterday"}, "before is 'yesterday'; write it as"),
    ({"confirm": "acme", "before": "2026-01-01T00:00:00"}, "with its offset"),
    ({"confirm": "acme", "before": "2020-01-01T00:00:00Z"}, "has no complete backup from"),
    ({"undo": True}, "undo needs confirm"),
    ({"undo": True, "tables": ["users"]}, "set one of undo, tables and as_tenant"),
    ({"tables": ["nothing"], "confirm": "acme"}, "has no table nothing"),
    ({"confirm": "acme", "undo": True}, "has no schema aside"),
    ({"confirm": "acme", "backup_id": "x"}, "is not a backup id"),
]


def test_bad_configuration_is_refused_in_one_line(proven: Stack) -> None:
    for config, message in BAD:
        result = restore(proven, **config)
        assert not result.success
        assert message in failure_of(result)
    assert list_kept(proven.runtime.restorer()) == []
