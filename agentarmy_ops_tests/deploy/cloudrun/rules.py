"""What has to fit together in the files for Cloud Run, beyond what a schema can say."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import SecretStr

from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.deploy.cloudrun.schema import annotations, mistakes
from agentarmy_ops_tests.deploy.cloudrun.shipped import IMAGE, Shipped

# In place of a secret that a part has no business with; names no server and no password.
STAND_IN = "postgresql://none@none.invalid/none"
_OF_DAGSTER = {"DAGSTER_HOME"}
_OF_THE_IMAGE = {"AGENTARMY_HOME"}
_HANDLERS = {"httpGet", "tcpSocket", "grpc", "exec"}
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
# https://cloud.google.com/run/docs/configuring/healthchecks
_LONGEST_START = 240
_SECRETS = {
    name.upper()
    for name, field in Settings.model_fields.items()
    if field.annotation in (SecretStr, SecretStr | None)
}
Rule = Callable[[Shipped], Iterator[str]]


def problems(given: Shipped) -> list[str]:
    """All that is wrong, each as ``rule: file: what``; what is against the schema, alone."""
    if malformed := [f"schema: {found}" for found in _schema(given)]:
        return malformed
    rules: dict[str, Rule] = {
        "annotation": _annotations,
        "probe": _probes,
        "port": _ports,
        "image": _images,
        "command": _commands,
        "variable": _variables,
        "secret": _secrets,
        "account": _accounts,
        "order": _order,
        "one": _one,
        "time": _times,
        "name": _names,
    }
    return [f"{name}: {found}" for name, rule in rules.items() for found in rule(given)]


def _schema(given: Shipped) -> Iterator[str]:
    for name, resource in given.files.items():
        yield from (f"{name}: {mistake}" for mistake in mistakes(resource))


def _annotations(given: Shipped) -> Iterator[str]:
    for name, resource in given.files.items():
        for metadata in (resource["metadata"], resource["spec"]["template"].get("metadata", {})):
            for key in metadata.get("annotations", {}):
                if key not in annotations():
                    yield f"{name}: Cloud Run knows no {key}"


def _each(given: Shipped) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in given.files:
        for container in given.containers(name):
            yield f"{name}: {container['name']}", container


def _probes(given: Shipped) -> Iterator[str]:
    for where, container in _each(given):
        for kind in _PROBES:
            probe = container.get(kind)
            if probe is None:
                continue
            if len(probe.keys() & _HANDLERS) != 1:
                yield f"{where}: {kind} has not one way to ask"
            if probe.get("timeoutSeconds", 1) > probe.get("periodSeconds", 10):
                yield f"{where}: {kind} waits longer than its period"
            if kind == "startupProbe":
                seconds = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
                if seconds > _LONGEST_START:
                    yield f"{where}: {kind} may take {seconds} s, {_LONGEST_START} at most"
    for name in ("gateway", "daemon"):
        if "startupProbe" not in given.container(name, "code-server"):
            yield f"{name}: code-server: nothing can wait for what has no startupProbe"
    asked = {
        kind: given.container("gateway", "gateway").get(kind, {}).get("httpGet", {}).get("path")
        for kind in _PROBES
    }
    if asked != dict(zip(_PROBES, ("/health/startup", "/health", "/health/ready"), strict=True)):
        yield f"gateway: asked for {asked}"


def _ports(given: Shipped) -> Iterator[str]:
    workspace = given.workspace["load_from"][0]["grpc_server"]
    if workspace["host"] != "127.0.0.1":
        yield f"workspace.yaml: the code server is beside, not on {workspace['host']}"
    for name in ("gateway", "daemon"):
        server = given.container(name, "code-server")
        listens = int(server["args"][server["args"].index("--port") + 1])
        asked = {server[kind]["grpc"]["port"] for kind in _PROBES if kind in server}
        if {listens} | asked != {workspace["port"]}:
            yield f"{name}: code-server listens on {listens} and is asked on {asked}"
    for where, container in _each(given):
        ports = [port["containerPort"] for port in container.get("ports", [])]
        if ports != ([8080] if where == "gateway: gateway" else []):
            yield f"{where}: may be reached on {ports}"
        for kind in _PROBES:
            port = container.get(kind, {}).get("httpGet", {}).get("port")
            if port is not None and port not in ports:
                yield f"{where}: {kind} asks port {port}"


def _images(given: Shipped) -> Iterator[str]:
    for where, container in _each(given):
        if container["image"] != IMAGE:
            yield f"{where}: {container['image']} is not the image that was asked for"


def _commands(given: Shipped) -> Iterator[str]:
    for where, container in _each(given):
        if "command" in container:
            yield f"{where}: a command stays when a run's arguments come; use args alone"


def _variables(given: Shipped) -> Iterator[str]:
    read = set(re.findall(r"'env': '(\w+)'", str(given.dagster)))
    known = {name.upper() for name in Settings.model_fields} | _OF_DAGSTER
    for where, container in _each(given):
        named = [variable["name"] for variable in container["env"]]
        if len(named) != len(set(named)):
            yield f"{where}: a variable is set twice"
        for name in set(named) - known - read:
            yield f"{where}: nobody reads {name}"
        for name in (read | _OF_DAGSTER) - _OF_THE_IMAGE - set(named):
            yield f"{where}: {name} is not set, which dagster.yaml reads"


def _secrets(given: Shipped) -> Iterator[str]:
    for where, container in _each(given):
        for variable in container["env"]:
            name, value = variable["name"], variable.get("value")
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if (value is None) == (reference is None):
                yield f"{where}: {name} has both or neither of value and secret"
            elif reference is None and name in _SECRETS and value != STAND_IN:
                yield f"{where}: {name} is a secret and stands here"
            elif reference is not None and reference != {
                "name": f"ops_{name.lower()}",
                "key": "latest",
            }:
                yield f"{where}: {name} is not the latest ops_{name.lower()}"


def _accounts(given: Shipped) -> Iterator[str]:
    for name, resource in given.files.items():
        spec = resource["spec"]["template"]["spec"]
        account = spec.get("serviceAccountName") or spec["template"]["spec"].get(
            "serviceAccountName"
        )
        project = resource["metadata"]["namespace"]
        if account != f"agentarmy-{name}@{project}.iam.gserviceaccount.com":
            yield f"{name}: runs as {account}"


def _order(given: Shipped) -> Iterator[str]:
    for name in ("gateway", "daemon"):
        metadata = given.files[name]["spec"]["template"]["metadata"]
        waits = metadata["annotations"].get("run.googleapis.com/container-dependencies", "{}")
        if json.loads(waits) != {name: ["code-server"]}:
            yield f"{name}: does not wait for code-server: {waits}"


def _one(given: Shipped) -> Iterator[str]:
    pools = [name for name, one in given.files.items() if one["kind"] == "WorkerPool"]
    if pools != ["daemon"]:
        yield f"worker pools are {pools}"
    scaled = given.files["daemon"]["metadata"].get("annotations", {})
    if (
        scaled.get("run.googleapis.com/scalingMode") != "manual"
        or scaled.get("run.googleapis.com/manualInstanceCount") != "1"
    ):
        yield "daemon: there is exactly one"
    template = given.files["gateway"]["spec"]["template"]["metadata"]["annotations"]
    scale = [template.get(f"autoscaling.knative.dev/{end}Scale") for end in ("min", "max")]
    if scale != ["1", "1"]:
        yield f"gateway: instances between {scale}, not one"
    if template.get("run.googleapis.com/cpu-throttling") != "false":
        yield "gateway: has no processor between requests"
    for name in ("run-worker", "migrate", "doctor"):
        execution = given.files[name]["spec"]["template"]["spec"]
        if (execution.get("parallelism"), execution.get("taskCount")) != (1, 1):
            yield f"{name}: more than one task"
        if execution["template"]["spec"].get("maxRetries") != 0:
            yield f"{name}: Cloud Run tries again what Dagster or a person would"


def _times(given: Shipped) -> Iterator[str]:
    worker = given.files["run-worker"]["spec"]["template"]["spec"]["template"]["spec"]
    launcher, monitoring = given.dagster["run_launcher"]["config"], given.dagster["run_monitoring"]
    times = (
        int(worker.get("timeoutSeconds", 600)),
        launcher.get("run_timeout"),
        monitoring.get("max_runtime_seconds"),
    )
    if len(set(times)) != 1:
        yield f"run-worker: job, launcher and monitoring end a run after {times} s"
    if launcher["run_job_retry"]["timeout"] >= min(300, monitoring["start_timeout_seconds"]):
        yield "dagster.yaml: a run is given up, or the daemon taken for dead, while it waits"


def _names(given: Shipped) -> Iterator[str]:
    location = given.workspace["load_from"][0]["grpc_server"]["location_name"]
    jobs = given.dagster["run_launcher"]["config"]["job_name_by_code_location"]
    if jobs != {location: given.files["run-worker"]["metadata"]["name"]}:
        yield f"dagster.yaml: runs of {location} go to {jobs}"
    for name, resource in given.files.items():
        if resource["metadata"]["name"] != f"agentarmy-{name}":
            yield f"{name}: is called {resource['metadata']['name']}"
