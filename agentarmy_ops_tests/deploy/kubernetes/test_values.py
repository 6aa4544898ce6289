"""What Dagster's Helm chart is given. The chart itself is not part of this project: with
``DAGSTER_CHART``, the folder of an unpacked chart, its schema is asked, and ``helm`` if there."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from agentarmy_ops_tests.deploy.kubernetes.manifests import (
    FOLDER,
    KUSTOMIZATION,
    Object,
    daemon_pod,
    find,
    values,
)
from agentarmy_ops_tests.deploy.kubernetes.rules import broken
from agentarmy_ops_tests.deploy.kubernetes.schema import problems
from agentarmy_ops_tests.deploy.shipped import needs

_IMAGE = "{newName}@{digest}".format(**KUSTOMIZATION["images"][0])


def test_the_daemon_uses_what_is_applied_besides() -> None:
    """ConfigMaps and Secrets by their names, the one image, our dagster.yaml."""
    pod = daemon_pod(values())
    maps = {item["name"] for item in KUSTOMIZATION["configMapGenerator"]}
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["image"] == _IMAGE
        variables = {item["name"]: item["value"] for item in container["env"]}
        assert variables["DAGSTER_CURRENT_IMAGE"] == _IMAGE
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volume = mounted[variables["DAGSTER_HOME"]]
        assert {"name": volume, "configMap": {"name": "agentarmy-dagster"}} in pod["volumes"]
        references = [next(iter(source.items())) for source in container["envFrom"]]
        assert references == [
            ("configMapRef", {"name": "agentarmy-settings"}),
            ("secretRef", {"name": "agentarmy-settings"}),
        ]
    assert maps == {"agentarmy-dagster", "agentarmy-settings"}
    assert find("ExternalSecret", "agentarmy-settings")


def test_gateway_and_daemon_ask_the_code_server_of_their_own_pod() -> None:
    """The chart writes the daemon's workspace of these values; the gateway's is our file."""
    (server,) = values()["dagsterWebserver"]["workspace"]["servers"]
    (location,) = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"]
    ours = location["grpc_server"]
    assert (server["host"], server["port"], server["name"]) == (
        ours["host"],
        ours["port"],
        ours["location_name"],
    )
    assert ours["host"] == "127.0.0.1"
    (sidecar,) = daemon_pod(values())["initContainers"]
    gateway = find("Deployment", "agentarmy-gateway")["spec"]["template"]["spec"]
    migrate, other = gateway["initContainers"]
    assert migrate["command"] == ["agentarmy-ops", "migrate"]
    for container in (sidecar, other):
        assert container["command"] == ["agentarmy-ops", "code-server"]
        for probe in ("startupProbe", "livenessProbe"):
            assert container[probe]["exec"]["command"][-1].endswith(f"127.0.0.1/{ours['port']}")


def test_the_chart_brings_the_daemon_and_nothing_else() -> None:
    """No web server without a login, no code server with an address, no database, no image of
    others, no password."""
    given = values()
    assert given["dagsterWebserver"]["replicaCount"] == 0
    assert given["dagster-user-deployments"] == {"enabled": True, "enableSubchart": False}
    for part in ("postgresql", "rabbitmq", "redis", "flower"):
        assert given[part]["enabled"] is False
    assert given["dagsterDaemon"]["checkDbReadyInitContainer"] is False
    assert given["generatePostgresqlPasswordSecret"] is False
    assert given["global"]["postgresqlAuthWifEnabled"] is True  # so no pod waits for one


# ---- With the chart.

Break = Callable[[Any], object]


@pytest.fixture(scope="module")
def chart() -> Path:
    """The folder of the chart."""
    if "DAGSTER_CHART" not in os.environ:
        pytest.skip("DAGSTER_CHART names no unpacked Helm chart of Dagster (helm pull --untar)")
    return Path(os.environ["DAGSTER_CHART"])


def _refusals(chart: Path, given: Object) -> list[str]:
    """What the chart's schema says of values, laid over the chart's own, as Helm does it."""
    schema = json.loads((chart / "values.schema.json").read_text())
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    return [
        f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message}"
        for error in Draft202012Validator(_local(schema)).iter_errors(_laid_over(defaults, given))
    ]


def _laid_over(below: Object, above: Object) -> Object:
    return below | {
        key: _laid_over(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }


def _local(schema: Any) -> Any:
    """Without what it would look up elsewhere: Kubernetes' own types, which other tests check."""
    if isinstance(schema, list):
        return [_local(item) for item in schema]
    if isinstance(schema, Mapping):
        return {
            key: _local(value)
            for key, value in schema.items()
            if key != "$ref" or str(value).startswith("#")
        }
    return schema


def test_the_schema_of_the_chart_takes_the_values(chart: Path) -> None:
    """All of them."""
    assert _refusals(chart, values()) == []


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda v: v["dagsterDaemon"].update(replicas=2), "replicas"),
        (lambda v: v["dagsterDaemon"].update(heartbeatTolerance="long"), "heartbeatTolerance"),
        (lambda v: v["dagsterDaemon"].update(env=["A=B"]), "dagsterDaemon.env"),
        (lambda v: v["dagsterWebserver"].update(replicaCount="none"), "replicaCount"),
        (lambda v: v["runLauncher"].update(type="Kubernetes"), "runLauncher.type"),
        (lambda v: v["serviceAccount"].update(create="yes"), "serviceAccount.create"),
        (lambda v: v["dagster-user-deployments"].update(enabled="no"), "enabled"),
    ],
)
def test_the_schema_of_the_chart_finds_a_mistake(chart: Path, mistake: Break, says: str) -> None:
    """Else the test before says nothing."""
    given = values()
    mistake(given)
    assert [refusal for refusal in _refusals(chart, given) if says in refusal]


def test_helm_makes_one_daemon_that_keeps_the_rules(chart: Path) -> None:
    """The pod is the one that the other tests look at."""
    helm = needs("helm", "none; see helm.sh")
    command = [helm, "template", "agentarmy", str(chart), "--namespace", "agentarmy"]
    command += ["--values", str(FOLDER / "values.yaml")]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True)
    objects = [document for document in yaml.safe_load_all(rendered.stdout) if document]
    assert [problem for document in objects for problem in problems(document)] == []
    deployments = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "Deployment"}
    assert {name: spec["replicas"] for name, spec in deployments.items()} == {
        "agentarmy-dagster-daemon": 1,
        "agentarmy-dagster-webserver": 0,
    }
    daemon = deployments["agentarmy-dagster-daemon"]
    assert daemon["strategy"] == {"type": "Recreate"}
    pod, ours = daemon["template"]["spec"], daemon_pod(values())
    assert broken(pod) == []
    assert pod["initContainers"] == ours["initContainers"]
    (container,), (expected,) = pod["containers"], ours["containers"]
    for key in ("image", "resources", "securityContext"):
        assert container[key] == expected[key]
    assert all(item in container["env"] for item in expected["env"])
    assert all(item in container["envFrom"] for item in expected["envFrom"])
    assert all(item in container["volumeMounts"] for item in expected["volumeMounts"])
    assert daemon["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"] == "agentarmy"
    services = [o["metadata"]["name"] for o in objects if o["kind"] == "Service"]
    assert services == ["agentarmy-dagster-webserver"]  # of no pod
