from collections.abc import Iterator

import pytest
from dagster import RunRequest, SkipReason, build_schedule_context
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from agentarmy_ops.orchestration import schedules
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.fix_dagster import Stack


def ranges(requests: Iterator[RunRequest | SkipReason]) -> list[tuple[list[str], str, str]]:
    found = []
    for request in requests:
        assert isinstance(request, RunRequest)
        assets = [key.to_user_string() for key in request.asset_selection or []]
        tags = request.tags
        first = tags.get(ASSET_PARTITION_RANGE_START_TAG, "")
        found.append((assets, first, tags.get(ASSET_PARTITION_RANGE_END_TAG, "")))
    return found


def test_the_night_backs_up_every_tenant_in_batches_and_the_platform_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "_settings", Settings(max_partitions_per_run=2))
    stack.instance.add_dynamic_partitions(PARTITIONS_NAME, ["acme", "globex", "initech"])
    context = build_schedule_context(instance=stack.instance)
    assert ranges(schedules.nightly_backup(context)) == [  # type: ignore[arg-type]
        (["tenant_backup"], "acme", "globex"),
        (["tenant_backup", "platform_backup"], "initech", "initech"),
    ]
    assert ranges(schedules.weekly_restore_verification(context)) == [  # type: ignore[arg-type]
        (["restore_verification"], "acme", "globex"),
        (["restore_verification"], "initech", "initech"),
    ]


def test_without_tenants_the_night_backs_up_the_platform_and_the_week_is_skipped(
    stack: Stack,
) -> None:
    context = build_schedule_context(instance=stack.instance)
    assert ranges(schedules.nightly_backup(context)) == [  # type: ignore[arg-type]
        (["platform_backup"], "", "")
    ]
    (only,) = schedules.weekly_restore_verification(context)  # type: ignore[misc]
    assert isinstance(only, SkipReason)
