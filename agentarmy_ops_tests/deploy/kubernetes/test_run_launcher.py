"""Runs as Jobs: the real launcher and client, as ``deploy/kubernetes/dagster.yaml`` sets them up,
against a double of the API server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AssetKey, DagsterInstance, DagsterRunStatus
from dagster._core.code_pointer import CodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster_k8s import K8sRunLauncher
from dagster_k8s.client import DagsterK8sUnrecoverableAPIError

from agentarmy_ops.definitions import defs
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops_tests.deploy.kubernetes.api_server import ApiServer, serving
from agentarmy_ops_tests.deploy.kubernetes.manifests import FOLDER, find, settings
from agentarmy_ops_tests.deploy.kubernetes.rules import broken
from agentarmy_ops_tests.fix_tenants import Provision

_PART_OF = "app.kubernetes.io/part-of"
IMAGE = "registry.example.com/agentarmy-ops@sha256:" + "5" * 64


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """An API server with nothing in it."""
    with serving() as server:
        yield server


@pytest.fixture
def instance(
    environment: dict[str, str], api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    """As ``dagster.yaml`` makes it, but that the API server is the double."""
    configuration = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    launcher = configuration["run_launcher"]["config"]
    launcher["load_incluster_config"] = False
    launcher["kubeconfig_file"] = str(api.kubeconfig(tmp_path / "kubeconfig"))
    Path(environment["DAGSTER_HOME"], "dagster.yaml").write_text(yaml.safe_dump(configuration))
    # As the daemon's pod has it, by settings.env and values.yaml.
    monkeypatch.setenv("DAGSTER_CURRENT_IMAGE", IMAGE)
    with DagsterInstance.get() as opened:
        yield opened


def _run(instance: DagsterInstance, image: str | None = IMAGE, **tags: str) -> DagsterRun:
    """A run of ``backup_tenants`` as the code server of an image makes it."""
    job = defs.resolve_job_def("backup_tenants")
    repository = RepositoryPythonOrigin(
        executable_path=sys.executable,
        code_pointer=CodePointer.from_module("agentarmy_ops.definitions", "defs", None),
        container_image=image,
        entry_point=["dagster"],
        container_context=None,
    )
    return instance.create_run_for_job(
        job, tags=tags, job_code_origin=JobPythonOrigin(job.name, repository)
    )


def _launch(instance: DagsterInstance, run: DagsterRun) -> None:
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))


def _container(api: ApiServer) -> Any:
    (job,) = api.jobs.values()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container


def test_a_run_is_a_job_whose_pod_keeps_the_rules(
    instance: DagsterInstance, api: ApiServer
) -> None:
    """Kubernetes takes the Job, too: the double refuses what the API does not know."""
    assert isinstance(instance.run_launcher, K8sRunLauncher)
    _launch(instance, _run(instance))
    (job,) = api.jobs.values()
    pod = job["spec"]["template"]["spec"]
    assert broken(pod) == []
    assert pod["serviceAccountName"] == "agentarmy-run-worker"
    assert pod["automountServiceAccountToken"] is False
    assert pod["restartPolicy"] == "Never"
    # A dump that is cancelled says so within 30 seconds; the run monitor waits for 120.
    assert 30 < pod["terminationGracePeriodSeconds"] < 120
    # Dagster repeats a run, when it should be; Kubernetes does not.
    assert job["spec"]["backoffLimit"] == 0
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert find("NetworkPolicy", "scratch")["spec"]["ingress"][0]["from"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": labels[_PART_OF]}}}
    ]


def test_the_pod_has_the_settings_and_no_secret_is_in_the_job(
    instance: DagsterInstance, api: ApiServer, environment: dict[str, str]
) -> None:
    """Both by name. The instance comes in the arguments, which everybody may read who sees pods."""
    _launch(instance, _run(instance))
    container = _container(api)
    references = [next(iter(source.items())) for source in container["envFrom"]]
    assert {(kind, reference["name"]) for kind, reference in references} == {
        ("configMapRef", "agentarmy-settings"),
        ("secretRef", "agentarmy-settings"),
    }
    assert {"name": "DAGSTER_HOME", "value": "/opt/agentarmy/kubernetes"} in container["env"]
    assert settings()["AGENTARMY_HOME"] in {m["mountPath"] for m in container["volumeMounts"]}
    assert "dagster" in container["args"]
    whole = str(api.jobs)
    assert not [name for name, value in environment.items() if "_URL" in name and value in whole]


def test_a_run_starts_with_the_image_of_the_code_that_made_it(
    instance: DagsterInstance, api: ApiServer
) -> None:
    """A run that waits while a new version comes is not started with other code than it was
    made by. Where the code server does not say, it is the daemon's."""
    _launch(instance, _run(instance, image="older@sha256:1"))
    assert _container(api)["image"] == "older@sha256:1"
    api.jobs.clear()
    _launch(instance, _run(instance, image=None))
    assert _container(api)["image"] == IMAGE


def test_what_the_pod_is_told_to_do_is_the_backup(
    instance: DagsterInstance, api: ApiServer, provision: Provision, tmp_path: Path
) -> None:
    """The arguments of the Job, started as the pod starts them. Nothing is asked of the API
    server: there is no way to it."""
    provision("acme")
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["acme"])
    run = _run(instance, **{PARTITION_NAME_TAG: "acme"})
    _launch(instance, run)
    (tmp_path / "kubeconfig").unlink()
    api.asked.clear()
    subprocess.run(_container(api)["args"], check=True, capture_output=True, cwd=tmp_path)
    assert instance.get_run_by_id(run.run_id).status is DagsterRunStatus.SUCCESS  # type: ignore[union-attr]
    assert instance.get_materialized_partitions(AssetKey("tenant_backup")) == {"acme"}
    assert api.asked == []


def test_a_run_can_be_ended(instance: DagsterInstance, api: ApiServer) -> None:
    """Job and pod are deleted, so the pod gets SIGTERM; again there is nothing to end."""
    run = _run(instance)
    _launch(instance, run)
    assert instance.run_launcher.terminate(run.run_id)
    assert (api.jobs, api.pods) == ({}, {})
    assert not instance.run_launcher.terminate(run.run_id)


def test_what_became_of_a_job_is_known(instance: DagsterInstance, api: ApiServer) -> None:
    """The run monitor asks, and marks a run as failed whose pod was killed. A job that somebody
    deleted is not taken for one that runs."""
    run = _run(instance)
    _launch(instance, run)
    (job,) = api.jobs.values()
    for status, worker in (
        ({"active": 1}, WorkerStatus.RUNNING),
        ({"succeeded": 1}, WorkerStatus.SUCCESS),
        ({"failed": 1}, WorkerStatus.FAILED),
    ):
        job["status"] = status
        assert instance.run_launcher.check_run_worker_health(run).status is worker
    api.jobs.clear()
    assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.UNKNOWN


def test_a_namespace_that_is_full_refuses_the_run(
    instance: DagsterInstance, api: ApiServer
) -> None:
    """The reason reaches whoever launches; the queue fails the run with it."""
    api.refuse.append((403, "exceeded quota: compute"))
    with pytest.raises(DagsterK8sUnrecoverableAPIError) as refused:
        _launch(instance, _run(instance))
    assert "exceeded quota: compute" in str(refused.value.k8s_api_exception)
    assert api.jobs == {}


def test_tags_cannot_make_another_pod(instance: DagsterInstance, api: ApiServer) -> None:
    """Whoever may start a run may give it tags."""
    for config in (
        {"container_config": {"image": "evil"}},
        {"container_config": {"securityContext": {"runAsUser": 0}}},
        {"container_config": {"command": ["sh"]}},
        {"container_config": {"envFrom": [{"secretRef": {"name": "of-others"}}]}},
        {"container_config": {"env": [{"name": "DATABASE_URL", "value": "of-others"}]}},
        {"pod_spec_config": {"hostNetwork": True}},
        {"pod_spec_config": {"serviceAccountName": "agentarmy-daemon"}},
        {"pod_spec_config": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
        {"job_spec_config": {"backoffLimit": 9}},
    ):
        run = _run(instance, **{"dagster-k8s/config": json.dumps(config)})
        with pytest.raises(Exception, match="violated the allowed list"):
            _launch(instance, run)
    assert api.jobs == {}


def test_tags_may_ask_for_more_memory(instance: DagsterInstance, api: ApiServer) -> None:
    """Of one run that needs it."""
    more = {"container_config": {"resources": {"limits": {"memory": "16Gi"}}}}
    _launch(instance, _run(instance, **{"dagster-k8s/config": json.dumps(more)}))
    assert _container(api)["resources"]["limits"]["memory"] == "16Gi"
