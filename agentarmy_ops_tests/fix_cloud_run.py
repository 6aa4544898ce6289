"""Dagster on Cloud Run: the instance of ``deploy/dagster/cloudrun``, a code server, the API."""

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)
from dagster._grpc.client import DagsterGrpcClient
from dagster_graphql.schema import create_schema
from google.cloud import run_v2

from agentarmy_ops_tests.cloud_run.double import CloudRun
from agentarmy_ops_tests.deploy.programs import free_port, until
from agentarmy_ops_tests.fix_gcs import Gcs
from agentarmy_ops_tests.fix_tenants import Provision

PROJECT, REGION = "acme-ops-42", "europe-west1"
JOB = f"projects/{PROJECT}/locations/{REGION}/jobs/agentarmy-run-worker"
SHIPPED = Path(__file__).parents[1] / "deploy" / "dagster" / "cloudrun"
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
_TERMINATE = """
mutation ($id: String!) {
  terminateRun(runId: $id) {
    __typename
    ... on TerminateRunFailure { message }
    ... on PythonError { message }
  }
}
"""
_SELECTOR = {
    "repositoryLocationName": "agentarmy_ops",
    "repositoryName": "__repository__",
    "jobName": "backup_tenants",
}


@dataclass(frozen=True)
class Deployment:
    """What gateway and daemon do, each when a test says so."""

    instance: DagsterInstance
    workspace: WorkspaceProcessContext
    api: CloudRun
    provision: Provision

    def launch(self, slug: str) -> str:
        """Ask for a backup of a tenant, as the UI does; the run's id. It is queued."""
        params = {
            "selector": {**_SELECTOR, "assetSelection": [{"path": ["tenant_backup"]}]},
            "executionMetadata": {"tags": [{"key": PARTITION_NAME_TAG, "value": slug}]},
        }
        answer = self._graphql(_LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def terminate(self, run_id: str) -> dict[str, Any]:
        """Terminate a run, as the UI does; its answer."""
        answer: dict[str, Any] = self._graphql(_TERMINATE, id=run_id)["terminateRun"]
        return answer

    def dequeue(self) -> None:
        """Once around in the daemon that launches what is queued."""
        with QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon:
            list(daemon.run_iteration(self.workspace))

    def monitor(self) -> list[Any]:
        """Once around in the daemon that looks after runs; the errors it met."""
        logger = logging.getLogger("monitor")
        return [e for e in execute_run_monitoring_iteration(self.workspace, logger) if e]

    def run(self, run_id: str) -> DagsterRun:
        """The run as it is stored."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def says(self, run_id: str) -> list[str]:
        """What the run's log says, errors included, in order."""
        found = []
        for entry in self.instance.all_logs(run_id):
            event = entry.dagster_event
            found.append(entry.user_message)
            if event and event.is_engine_event and event.engine_event_data.error:
                found.append(event.engine_event_data.error.to_string())
            elif event:
                found.append(event.message or "")
        return found

    def _graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        result = asyncio.run(
            create_schema().execute_async(
                query,
                context_value=self.workspace.create_request_context(),
                variable_values=variables,
            )
        )
        assert not result.errors, result.errors
        data: dict[str, Any] = result.data
        return data


@pytest.fixture(scope="session")
def code_server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a code server of ours, as the sidecar runs it."""
    port, log = free_port(), tmp_path_factory.mktemp("code-server") / "log"
    command = [*("-m", "dagster", "api", "grpc"), "--module-name", "agentarmy_ops.definitions"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--location-name", "agentarmy_ops"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, *command, *where],
            cwd=log.parent,
            env={**os.environ, "ENVIRONMENT": "testing"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    until(lambda: _listens(port) or server.poll() is not None)
    client: Any = DagsterGrpcClient(host="127.0.0.1", port=port)
    assert client.health_check_query() == "SERVING"
    yield port
    server.kill()  # it takes seconds to end by itself
    server.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture
def cloud_run_home(
    environment: dict[str, str],
    gcs: Gcs,
    code_server_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A ``DAGSTER_HOME`` with the files that are shipped for Cloud Run, but for the port."""
    home = Path(environment["DAGSTER_HOME"])
    shutil.copy(SHIPPED / "dagster.yaml", home)
    workspace = yaml.safe_load((SHIPPED / "workspace.yaml").read_text())
    workspace["load_from"][0]["grpc_server"]["port"] = code_server_port
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace))
    for name, value in {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "CLOUD_RUN_REGION": REGION,
        "COMPUTE_LOGS_BUCKET": gcs.bucket,
    }.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def cloud_run(
    cloud_run_home: Path,
    tmp_path: Path,
    environment: dict[str, str],
    gcs: Gcs,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CloudRun]:
    """The API with the job of run workers, which is really executed; Google's clients of this
    process are its clients."""
    inherited = ("PATH", "PYTHONPATH", "COVERAGE_PROCESS_START", "HOME", "XDG_RUNTIME_DIR")
    server = CloudRun(
        {JOB},
        {
            **{name: os.environ[name] for name in inherited if name in os.environ},
            **environment,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CLOUD_RUN_REGION": REGION,
            "COMPUTE_LOGS_BUCKET": gcs.bucket,
            "STORAGE_EMULATOR_HOST": gcs.host,
        },
        logs=tmp_path,
    )
    monkeypatch.setattr(run_v2, "JobsClient", server.jobs_client)
    monkeypatch.setattr(run_v2, "ExecutionsClient", server.executions_client)
    yield server
    server.close()


@pytest.fixture
def deployment(
    cloud_run: CloudRun, cloud_run_home: Path, provision: Provision
) -> Iterator[Deployment]:
    """Gateway and daemon over the double and a real code server."""
    target = WorkspaceFileTarget([str(cloud_run_home / "workspace.yaml")])
    with (
        DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, target) as workspace,
    ):
        yield Deployment(instance, workspace, cloud_run, provision)
