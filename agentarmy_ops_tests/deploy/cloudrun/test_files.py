"""The rendered files are what Cloud Run takes, and fit together; what does not is noticed."""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.deploy.cloudrun.rules import STAND_IN, problems
from agentarmy_ops_tests.deploy.cloudrun.shipped import ENVIRONMENTS, Shipped, shipped

Break = Callable[[Shipped], object]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nothing_is_wrong_with_what_is_shipped(environment: str) -> None:
    assert problems(shipped(environment)) == []


def _spec(given: Shipped, name: str) -> Any:
    spec = given.files[name]["spec"]["template"]["spec"]
    return spec if "containers" in spec else spec["template"]["spec"]


def _template(given: Shipped, name: str) -> Any:
    return given.files[name]["spec"]["template"]["metadata"]["annotations"]


def _gateway(given: Shipped) -> dict[str, Any]:
    return given.container("gateway", "gateway")


def _server(given: Shipped) -> dict[str, Any]:
    return given.container("daemon", "code-server")


def _second_pool(given: Shipped) -> None:
    given.files["daemon-b"] = deepcopy(given.files["daemon"])


def _set(target: Callable[[Shipped], Any], key: str, value: object) -> Break:
    return lambda given: target(given).__setitem__(key, value)


def _del(target: Callable[[Shipped], Any], key: str) -> Break:
    return lambda given: target(given).__delitem__(key)


def _env(container: Callable[[Shipped], Any], variable: dict[str, object]) -> Break:
    return lambda given: container(given)["env"].append(variable)


def _secret(variable: str, **changes: str) -> Break:
    def broken(given: Shipped) -> None:
        given.variable("doctor", "doctor", variable)["valueFrom"]["secretKeyRef"].update(changes)

    return broken


_AN = "run.googleapis.com/"
_SCALE = "autoscaling.knative.dev/"
MISTAKES: dict[str, tuple[Break, str]] = {
    "typo in a field": (
        _set(_gateway, "livenesProbe", {}),
        "schema: gateway: spec.template.spec.containers.0: Additional properties",
    ),
    "typo in a spec": (_set(lambda g: _spec(g, "daemon"), "serviceAcount", "x"), "schema: daemon"),
    "a string for a number": (
        _set(lambda g: _gateway(g)["startupProbe"], "periodSeconds", "10"),
        "schema: gateway: spec.template.spec.containers.0.startupProbe.periodSeconds: '10'",
    ),
    "a number for a string": (
        _set(lambda g: _gateway(g)["resources"]["limits"], "cpu", 1),
        "schema: gateway: spec.template.spec.containers.0.resources.limits.cpu: 1 is not",
    ),
    "a number for int64": (
        _set(lambda g: _spec(g, "run-worker"), "timeoutSeconds", 21600),
        "schema: run-worker: spec.template.spec.template.spec.timeoutSeconds",
    ),
    "seconds with a unit": (
        _set(lambda g: _spec(g, "migrate"), "timeoutSeconds", "1800s"),
        "schema: migrate: spec.template.spec.template.spec.timeoutSeconds: '1800s'",
    ),
    "wrong kind": (_set(lambda g: g.files["doctor"], "kind", "CronJob"), "schema: doctor: kind"),
    "wrong apiVersion": (
        _set(lambda g: g.files["daemon"], "apiVersion", "serving.knative.dev/v1"),
        "schema: daemon: apiVersion: 'run.googleapis.com/v1' was expected",
    ),
    "what Cloud Run does not support": (
        _set(_gateway, "imagePullSecrets", []),
        "schema: gateway",
    ),
    "a config map": (
        _env(_gateway, {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}),
        "schema: gateway: spec.template.spec.containers.0.env",
    ),
    "a secret without a version": (
        lambda g: g.variable("doctor", "doctor", "DATABASE_URL")["valueFrom"].update(
            secretKeyRef={"name": "ops_database_url"}
        ),
        "schema: doctor: spec.template.spec.template.spec.containers.0.env.7.valueFrom.secretKey",
    ),
    "a status": (_set(lambda g: g.files["gateway"], "status", {}), "schema: gateway: Service"),
    "an unknown annotation": (
        _set(lambda g: _template(g, "gateway"), f"{_AN}cpu-throtling", "false"),
        "annotation: gateway: Cloud Run knows no run.googleapis.com/cpu-throtling",
    ),
    "a probe with two handlers": (
        _set(lambda g: _gateway(g)["livenessProbe"], "grpc", {"port": 8080}),
        "probe: gateway: gateway: livenessProbe has not one way",
    ),
    "a probe without one": (
        _del(lambda g: _gateway(g)["livenessProbe"], "httpGet"),
        "probe: gateway: gateway: livenessProbe has not one way",
    ),
    "a probe that waits too long": (
        _set(lambda g: _server(g)["startupProbe"], "timeoutSeconds", 11),
        "probe: daemon: code-server: startupProbe waits longer than its period",
    ),
    "a start without end": (
        _set(lambda g: _gateway(g)["startupProbe"], "failureThreshold", 25),
        "probe: gateway: gateway: startupProbe may take 250 s",
    ),
    "no startup probe": (_del(_server, "startupProbe"), "probe: daemon: code-server: nothing can"),
    "ready for alive": (
        _set(lambda g: _gateway(g)["livenessProbe"]["httpGet"], "path", "/health/ready"),
        "probe: gateway: asked for",
    ),
    "another port": (
        lambda g: _server(g)["args"].__setitem__(-1, "4001"),
        "port: daemon: code-server listens on 4001",
    ),
    "another port in the workspace": (
        _set(lambda g: g.workspace["load_from"][0]["grpc_server"], "port", 4001),
        "port: gateway: code-server listens on 4000",
    ),
    "the code server of somebody else": (
        _set(lambda g: g.workspace["load_from"][0]["grpc_server"], "host", "code.example"),
        "port: workspace.yaml: the code server is beside",
    ),
    "a code server that is open": (
        _set(lambda g: g.container("gateway", "code-server"), "ports", [{"containerPort": 4000}]),
        "port: gateway: code-server: may be reached on [4000]",
    ),
    "another image": (
        _set(_server, "image", "europe-west1-docker.pkg.dev/x/y:latest"),
        "image: daemon: code-server: europe-west1-docker.pkg.dev/x/y:latest is not",
    ),
    "a command": (
        _set(lambda g: _spec(g, "run-worker")["containers"][0], "command", ["dagster"]),
        "command: run-worker: run-worker: a command stays",
    ),
    "a variable nobody reads": (
        _env(_gateway, {"name": "DATABSE_URL", "value": "x"}),
        "variable: gateway: gateway: nobody reads DATABSE_URL",
    ),
    "a variable twice": (
        _env(_gateway, {"name": "ENVIRONMENT", "value": "staging"}),
        "variable: gateway: gateway: a variable is set twice",
    ),
    "a variable that dagster.yaml reads": (
        lambda g: _server(g)["env"].remove(g.variable("daemon", "code-server", "CLOUD_RUN_REGION")),
        "variable: daemon: code-server: CLOUD_RUN_REGION is not set",
    ),
    "a password": (
        lambda g: g.variable("migrate", "migrate", "DATABASE_URL").update(
            value="postgresql://a:b@c/d"
        ),
        "secret: migrate: migrate: DATABASE_URL is a secret and stands here",
    ),
    "a secret of another name": (
        _secret("DATABASE_URL", name="ops_backup_database_url"),
        "secret: doctor: doctor: DATABASE_URL is not the latest ops_database_url",
    ),
    "an old version": (
        _secret("DATABASE_URL", key="3"),
        "secret: doctor: doctor: DATABASE_URL is not the latest",
    ),
    "value and secret": (
        lambda g: g.variable("doctor", "doctor", "DATABASE_URL").update(value="x"),
        "secret: doctor: doctor: DATABASE_URL has both",
    ),
    "somebody else's account": (
        lambda g: _spec(g, "doctor").update(
            serviceAccountName=_spec(g, "run-worker")["serviceAccountName"]
        ),
        "account: doctor: runs as agentarmy-run-worker@",
    ),
    "no order": (
        _del(lambda g: _template(g, "daemon"), f"{_AN}container-dependencies"),
        "order: daemon: does not wait for code-server",
    ),
    "two daemons": (
        _set(
            lambda g: g.files["daemon"]["metadata"]["annotations"], f"{_AN}manualInstanceCount", "2"
        ),
        "one: daemon: there is exactly one",
    ),
    "daemons by load": (
        _del(lambda g: g.files["daemon"]["metadata"]["annotations"], f"{_AN}scalingMode"),
        "one: daemon: there is exactly one",
    ),
    "a second pool": (_second_pool, "one: worker pools are ['daemon', 'daemon-b']"),
    "many gateways": (
        _set(lambda g: _template(g, "gateway"), f"{_SCALE}maxScale", "3"),
        "one: gateway: instances between ['1', '3']",
    ),
    "a gateway that sleeps": (
        _set(lambda g: _template(g, "gateway"), f"{_AN}cpu-throttling", "true"),
        "one: gateway: has no processor",
    ),
    "retries": (
        _set(lambda g: _spec(g, "run-worker"), "maxRetries", 3),
        "one: run-worker: Cloud Run tries again",
    ),
    "many tasks": (
        _set(lambda g: g.files["run-worker"]["spec"]["template"]["spec"], "taskCount", 2),
        "one: run-worker: more than one task",
    ),
    "a job that ends first": (
        _set(lambda g: _spec(g, "run-worker"), "timeoutSeconds", "3600"),
        "time: run-worker: job, launcher and monitoring end a run after (3600, 21600, 21600) s",
    ),
    "a launcher without a time": (
        _del(lambda g: g.dagster["run_launcher"]["config"], "run_timeout"),
        "time: run-worker: job, launcher and monitoring",
    ),
    "a wait too long for its start": (
        _set(lambda g: g.dagster["run_launcher"]["config"]["run_job_retry"], "timeout", 300),
        "time: dagster.yaml: a run is given up",
    ),
    "another job": (
        _set(lambda g: g.files["run-worker"]["metadata"], "name", "agentarmy-worker"),
        "name: dagster.yaml: runs of agentarmy_ops go to",
    ),
    "another location": (
        _set(lambda g: g.workspace["load_from"][0]["grpc_server"], "location_name", "ops"),
        "name: dagster.yaml: runs of ops go to",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake: str) -> None:
    spoil, told = MISTAKES[mistake]
    given = shipped("production")
    spoil(given)
    found = problems(given)
    assert any(one.startswith(told) for one in found), found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_part_takes_the_variables_it_is_given(environment: str) -> None:
    """As production refuses what is unsafe; who has no business with a secret needs none."""
    given = shipped(environment)
    values = {"sentry_dsn": "https://key@sentry.example/1", "metrics_token": "m" * 32}
    for name in given.files:
        for container in given.containers(name):
            given_variables: dict[str, Any] = {
                one["name"].lower(): one.get("value") or values.get(one["name"].lower(), STAND_IN)
                for one in container["env"]
            }
            settings = Settings(_env_file=None, **given_variables)
            assert settings.environment.value == environment
            assert settings.encrypts_backups


def test_a_part_is_given_the_secrets_of_its_work_alone() -> None:
    given = shipped("production")
    urls = {
        name: {
            one["name"].removesuffix("_URL").lower()
            for one in given.container(name, name)["env"]
            if "valueFrom" in one and re.search("DATABASE_URL$", one["name"])
        }
        for name in given.files
    }
    without_scratch = {"database", "backup_database", "dagster_database"}
    assert urls == {
        "gateway": without_scratch,
        "daemon": without_scratch,
        "run-worker": without_scratch | {"scratch_database"},
        "doctor": without_scratch | {"scratch_database"},
        "migrate": {"dagster_database"},
    }
