"""The job that offboards a tenant, and what becomes of its partition."""

from typing import Any

import pytest
from dagster import (
    DagsterEventType,
    DagsterRun,
    DagsterRunStatus,
    ExecuteInProcessResult,
    SkipReason,
)

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.definitions import defs
from agentarmy_ops.offboarding.journal import State, newest_offboarding
from agentarmy_ops.orchestration.runs import partitions_of_run
from agentarmy_ops_tests.fix_dagster import Stack, failure_of
from agentarmy_ops_tests.orchestration.test_registry_sensor import requested, tick


def offboard(stack: Stack, **config: object) -> ExecuteInProcessResult:
    ops = {"offboard_one_tenant": {"config": {"tenant": "acme", "confirm": "acme", **config}}}
    return stack.run("offboard_tenant", ops=ops)


def observed(result: ExecuteInProcessResult) -> dict[str, Any]:
    """What a run recorded on acme."""
    (event,) = result.filter_events(
        lambda event: event.event_type is DagsterEventType.ASSET_OBSERVATION
    )
    observation = event.asset_observation_data.asset_observation
    assert observation.asset_key.path == ["tenant"]
    assert observation.partition == "acme"
    return {name: value.value for name, value in observation.metadata.items()}


def _state(stack: Stack) -> State | None:
    found = newest_offboarding(stack.runtime.store, "acme")
    return found.state() if found else None


def test_requested_cancelled_and_erased(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.tenants("acme", "globex")
    result = offboard(stack, backups="shred")
    assert result.success
    facts = observed(result)
    (entry,) = list_backups(stack.runtime.store, "acme")
    assert facts["backup_id"] == entry.ref.backup_id
    assert facts["backups"] == "shred"
    assert _state(stack) is State.PENDING
    assert not offboard(stack, action="erase").success
    # A tenant that is disabled is backed up as before.
    assert stack.run("backup_tenants", partition="acme").success
    assert len(list_backups(stack.runtime.store, "acme")) == 2

    assert observed(offboard(stack, action="cancel"))["is_active"] is True
    assert _state(stack) is State.CANCELLED

    monkeypatch.setenv("OFFBOARDING_COOLING_OFF_DAYS", "0")
    assert offboard(stack, backups="shred").success
    result = offboard(stack, action="erase")
    assert result.success
    facts = observed(result)
    assert facts["complete"] is True
    assert facts["rows"] == 1
    assert facts["schemas"] == "tenant_acme"
    assert facts["backups_shredded"] == 3
    assert facts["secrets"] == 1  # the backup key; the fixture gives passwords of its own
    assert stack.runtime.store.read(facts["certificate"])
    assert _state(stack) is State.ERASED
    assert requested(tick(stack)) == ([], ["acme"])


def test_without_cooling_off(stack: Stack) -> None:
    stack.tenants("acme", "globex")
    assert offboard(stack).success
    assert observed(offboard(stack, action="erase", now=True, backups="delete"))["complete"]
    assert list(stack.runtime.store.list("tenants/acme/")) == []


BAD: list[tuple[dict[str, object], str]] = [
    ({"confirm": "acme2"}, "confirm is 'acme2', not the tenant's slug 'acme'; nothing was touched"),
    ({"now": True}, "now goes with action erase"),
    ({"action": "cancel"}, "is not requested; there is nothing to cancel"),
    ({"action": "erase"}, "the erasure of tenant acme was not requested"),
    ({"tenant": "nobody", "confirm": "nobody"}, "there is no tenant nobody"),
]


def test_bad_configuration_is_refused_in_one_line(stack: Stack) -> None:
    stack.tenants("acme")
    for config, message in BAD:
        result = offboard(stack, **config)
        assert not result.success
        assert message in failure_of(result)
    assert _state(stack) is None
    assert list(stack.runtime.store.list("")) == []


def test_the_partition_goes_when_no_run_is_active_on_it(stack: Stack) -> None:
    stack.tenants("acme", "globex")
    assert offboard(stack).success
    assert offboard(stack, action="erase", now=True).success
    run = stack.instance.create_run_for_job(
        job_def=defs.resolve_job_def("offboard_tenant"),
        run_config={
            "ops": {"offboard_one_tenant": {"config": {"tenant": "acme", "confirm": "acme"}}}
        },
        status=DagsterRunStatus.STARTED,
    )
    assert partitions_of_run(run, ["acme", "globex"]) == ["acme"]
    assert isinstance(tick(stack), SkipReason)
    stack.instance.report_run_canceled(run)
    assert requested(tick(stack)) == ([], ["acme"])


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"ops": []},
        {"ops": {"offboard_one_tenant": []}},
        {"ops": {"offboard_one_tenant": {"config": {"tenant": {"env": "SLUG"}}}}},
        {"ops": {"restore_one_tenant": {}}},
    ],
)
def test_a_configuration_of_any_shape_names_nobody(config: dict[str, Any]) -> None:
    assert partitions_of_run(DagsterRun("offboard_tenant", run_config=config), ["acme"]) == []


def test_a_restore_is_a_run_on_its_tenant() -> None:
    config = {"ops": {"restore_one_tenant": {"config": {"tenant": "acme"}}}}
    assert partitions_of_run(DagsterRun("restore_tenant", run_config=config), []) == ["acme"]
