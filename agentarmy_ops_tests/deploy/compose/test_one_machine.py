"""The code server on its socket, and runs as its processes: as ``deploy/dagster/compose/`` sets
them up, each path below ``/run/agentarmy`` in a folder of the test."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as unix_socket
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.remote_origin import RemoteJobOrigin
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc.client import DagsterGrpcClient

from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops_tests.deploy.compose.rules import DAGSTER, compose
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision

SECONDS = 120.0


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the code server listens. A socket's path is short, by the system's rules."""
    return tmp_path_factory.mktemp("run") / "code.sock"


@pytest.fixture
def home(environment: dict[str, str], socket: Path) -> Path:
    """A ``DAGSTER_HOME`` with the files for one machine."""
    folder = Path(environment["DAGSTER_HOME"])
    for file in ("dagster.yaml", "workspace.yaml"):
        text = (DAGSTER / file).read_text()
        (folder / file).write_text(text.replace("/run/agentarmy/code.sock", str(socket)))
    return folder


@contextmanager
def _code_server(socket: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The container's command, with another socket; what it logs is in ``log``."""
    command = compose()["services"]["code-server"]["command"][:-1]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, str(socket)], stdout=output, stderr=output)
    try:
        client: Any = DagsterGrpcClient(socket=str(socket))
        _until(lambda: client.health_check_query() == "SERVING", log)
        yield process
    finally:
        process.kill()
        process.wait()


def _until(true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _launch(instance: DagsterInstance, home: Path, slug: str) -> DagsterRun:
    """A run of ``backup_tenants``, launched as the daemon does it."""
    target = WorkspaceFileTarget([str(home / "workspace.yaml")])
    with WorkspaceProcessContext(instance, target) as process:
        workspace = process.create_request_context()
        (location,) = workspace.code_locations
        (repository,) = location.get_repositories().values()
        job = repository.get_full_job("backup_tenants")
        run = instance.create_run_for_job(
            defs.resolve_job_def(job.name),
            tags={PARTITION_NAME_TAG: slug},
            remote_job_origin=RemoteJobOrigin(repository.get_remote_origin(), job.name),
            job_code_origin=job.get_python_origin(),
        )
        instance.launch_run(run.run_id, workspace)
    return run


def test_a_container_that_is_stopped_finishes_its_backup(
    home: Path, socket: Path, provision: Provision, tmp_path: Path
) -> None:
    """On SIGTERM, as a release sends it. A socket that a killed server left is no obstacle."""
    provision("acme")
    with closing(unix_socket(AF_UNIX, SOCK_STREAM)) as left_behind:
        left_behind.bind(str(socket))
    log = tmp_path / "log"
    with DagsterInstance.get() as instance, _code_server(socket, log) as server:
        assert isinstance(instance.run_launcher, DefaultRunLauncher)
        instance.add_dynamic_partitions(PARTITIONS_NAME, ["acme"])
        run = _launch(instance, home, "acme")
        server.terminate()
        assert server.wait(SECONDS) == 0, log.read_text()
        # Not waited for: it has ended by now.
        assert _status(instance, run) is DagsterRunStatus.SUCCESS, log.read_text()
        assert instance.get_materialized_partitions(AssetKey("tenant_backup")) == {"acme"}


def test_the_gateway_ends_a_run_that_the_daemon_started(
    home: Path,
    socket: Path,
    provision: Provision,
    app_database: AppDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both know the same socket. There is no other way to it, and the health check asks there."""
    provision("acme")
    monkeypatch.setenv("LOCK_TIMEOUT_SECONDS", "600")
    log = tmp_path / "log"
    with (
        _code_server(socket, log) as server,
        DagsterInstance.get() as daemon,
        DagsterInstance.get() as gateway,
        app_database.owner.connect() as holder,
        app_database.superuser.connect(autocommit=True) as watcher,
    ):
        assert not _listens(server.pid)
        check = ["agentarmy-ops", "healthcheck", "--process", str(server.pid)]
        assert subprocess.run(check, check=False).returncode == 0
        # The dump waits for this, and the run for the dump.
        holder.execute("LOCK TABLE tenant_acme.users IN ACCESS EXCLUSIVE MODE")
        daemon.add_dynamic_partitions(PARTITIONS_NAME, ["acme"])
        run = _launch(daemon, home, "acme")
        _until(lambda: watcher.execute(_WAITING).fetchone() is not None, log)
        assert gateway.run_launcher.terminate(run.run_id)
        _until(lambda: _status(gateway, run) is DagsterRunStatus.CANCELED, log)
        _until(lambda: watcher.execute(_WAITING).fetchone() is None, log)


_WAITING = """
    SELECT FROM pg_locks JOIN pg_database ON oid = database
    WHERE NOT granted AND datname = current_database()"""


def _listens(pid: int) -> bool:
    """Whether a process has a TCP port open."""
    listening = {
        f"socket:[{line.split()[9]}]"
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    return bool(listening & {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()})


def _status(instance: DagsterInstance, run: DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status
