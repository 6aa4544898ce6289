"""The instance of ``deploy/dagster/cloudrun``, loaded with the classes that it names."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster_gcp.gcs import GCSComputeLogManager

from agentarmy_ops.orchestration.cloud_run import OpsCloudRunLauncher
from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops_tests.cloud_run.double import CloudRun
from agentarmy_ops_tests.fix_cloud_run import JOB, SHIPPED
from agentarmy_ops_tests.fix_gcs import Gcs


def test_every_class_is_the_one_that_is_meant(
    cloud_run: CloudRun, cloud_run_home: Path, gcs: Gcs, tmp_path: Path
) -> None:
    before = {file.name for file in cloud_run_home.iterdir()}
    with DagsterInstance.from_config(str(cloud_run_home)) as instance:
        assert isinstance(instance.event_log_storage, OpsEventLogStorage)
        logs = instance.compute_log_manager
        assert isinstance(logs, GCSComputeLogManager)
        assert logs.upload_interval is None  # an object would be replaced
        launcher = instance.run_launcher
        assert isinstance(launcher, OpsCloudRunLauncher)
        assert launcher.fully_qualified_job_name("agentarmy_ops") == JOB
        assert (launcher.run_job_retry_wait, launcher.run_job_retry_timeout) == (10, 120)
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        limits = instance.get_concurrency_config()
        assert limits.run_queue_config is not None
        assert limits.run_queue_config.max_concurrent_runs == 6
        assert limits.pool_config.default_pool_limit == 2
        assert limits.run_queue_config.max_user_code_failure_retries == 3
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_start_timeout_seconds == 600
        assert instance.run_monitoring_cancel_timeout_seconds == 120
        assert instance.run_monitoring_max_runtime_seconds == launcher.run_timeout == 21600
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 0
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert set(instance.get_tick_retention_settings(InstigatorType.SENSOR).values()) >= {7, 90}
        assert not instance.telemetry_enabled
        assert instance.storage_directory() == str(tmp_path / "home" / "storage")
    assert not gcs.content.objects
    assert not cloud_run.calls
    # The folder is part of the image: nobody can write there.
    assert {file.name for file in cloud_run_home.iterdir()} == before


@pytest.mark.parametrize("variable", ["GOOGLE_CLOUD_PROJECT", "COMPUTE_LOGS_BUCKET"])
def test_a_variable_that_is_not_set_is_named(
    cloud_run: CloudRun, cloud_run_home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    del cloud_run
    monkeypatch.delenv(variable)
    with (
        DagsterInstance.from_config(str(cloud_run_home)) as instance,
        pytest.raises(Exception, match=variable),
    ):
        assert instance.run_launcher
        assert instance.compute_log_manager


def test_what_both_instances_have_in_common(repository_root: Path) -> None:
    here: Any = yaml.safe_load((repository_root / "dagster.yaml").read_text())
    there: Any = yaml.safe_load((SHIPPED / "dagster.yaml").read_text())
    for part in ("storage", "run_retries", "retention", "python_logs", "telemetry", "nux"):
        assert here[part] == there[part], part
    for part in ("module", "class"):
        assert here["run_coordinator"][part] == there["run_coordinator"][part]
    granularity = [one["concurrency"]["pools"]["granularity"] for one in (here, there)]
    assert granularity == ["run", "run"]
    free = "free_slots_after_run_end_seconds"
    assert here["run_monitoring"][free] == there["run_monitoring"][free]
