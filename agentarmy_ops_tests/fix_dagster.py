"""A real Dagster instance on PostgreSQL, over a real application database."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, ExecuteInProcessResult
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision


@pytest.fixture
def environment(
    tmp_path: Path,
    repository_root: Path,
    app_database: AppDatabase,
    live_server: ConnInfo,
    scratch_server: ConnInfo,
    new_database: Callable[[ConnInfo], ConnInfo],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The variables that point our software, here and in child processes, at the test's servers;
    set in this process, which works in a folder without a ``.env``."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(repository_root / "dagster.yaml", home)
    shutil.copy(repository_root / "workspace.yaml", home)
    variables = {
        "ENVIRONMENT": "testing",
        "AGENTARMY_HOME": str(tmp_path / "home"),
        "DAGSTER_HOME": str(home),
        "DATABASE_URL": app_database.owner.url,
        "BACKUP_DATABASE_URL": app_database.backup.url,
        "DAGSTER_DATABASE_URL": new_database(live_server).url,
        "SCRATCH_DATABASE_URL": scratch_server.url,
        "LOCK_TIMEOUT_SECONDS": "5",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    return variables


@dataclass(frozen=True)
class Stack:
    """The instance, and the runtime its runs make for themselves."""

    instance: DagsterInstance
    runtime: Runtime
    provision: Provision

    def tenants(self, *slugs: str) -> list[str]:
        """Provision tenants and add their partitions."""
        for slug in slugs:
            self.provision(slug)
        self.instance.add_dynamic_partitions(PARTITIONS_NAME, slugs)
        return list(slugs)

    def run(
        self,
        job: str,
        *,
        partition: str | None = None,
        partitions: tuple[str, str] | None = None,
        ops: Mapping[str, Any] | None = None,
        assets: Sequence[str] | None = None,
    ) -> ExecuteInProcessResult:
        """Execute a job over one partition or a range of them."""
        tags = {PARTITION_NAME_TAG: partition} if partition else {}
        if partitions:
            first, last = partitions
            tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        return defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=tags,
            run_config={"ops": dict(ops or {})},
            asset_selection=[AssetKey(name) for name in assets] if assets else None,
            raise_on_error=False,
        )


def recorded_partitions(result: ExecuteInProcessResult, asset: str) -> list[str | None]:
    """Partitions of an asset that a run recorded, as often as it recorded them."""
    return [
        event.partition
        for event in result.all_events
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION
        and event.asset_key == AssetKey(asset)
    ]


def failure_of(result: ExecuteInProcessResult) -> str:
    """The description a failed step gave."""
    (failed,) = result.filter_events(lambda e: e.event_type is DagsterEventType.STEP_FAILURE)
    data = failed.step_failure_data.user_failure_data
    assert data is not None
    return data.description or ""


@pytest.fixture
def stack(environment: dict[str, str], provision: Provision) -> Iterator[Stack]:
    """A fresh instance, as ``dagster.yaml`` makes it."""
    with DagsterInstance.get() as instance:
        yield Stack(instance, Runtime(), provision)
