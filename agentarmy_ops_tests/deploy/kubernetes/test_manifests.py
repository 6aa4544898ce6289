"""What is applied besides the chart: Kubernetes takes it, and every pod keeps the rules."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentarmy_ops.settings import Settings, load_settings
from agentarmy_ops_tests.deploy.kubernetes.manifests import (
    FOLDER,
    KUSTOMIZATION,
    Object,
    documents,
    find,
    pods,
    settings,
)
from agentarmy_ops_tests.deploy.kubernetes.rules import broken
from agentarmy_ops_tests.deploy.kubernetes.schema import problems
from agentarmy_ops_tests.deploy.shipped import PRODUCTION, needs

_CUSTOM = {"ExternalSecret"}  # the operator's, not Kubernetes' own
Break = Callable[[Any], object]


def _secrets() -> dict[str, str]:
    """Names of the settings that come from secrets, with the secret of each."""
    return {
        item["secretKey"]: item["remoteRef"]["key"]
        for name in ("agentarmy-settings", "agentarmy-gateway")
        for item in find("ExternalSecret", name)["spec"]["data"]
    }


def test_kubernetes_knows_every_object_and_field() -> None:
    """Of all objects but those of the External Secrets Operator."""
    own = [document for document in documents() if document["kind"] not in _CUSTOM]
    assert {document["kind"] for document in own} >= {"Deployment", "NetworkPolicy", "Service"}
    assert [problem for document in own for problem in problems(document)] == []


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda o: o.update(kind="Deploymnt"), "no such kind"),
        (lambda o: o["spec"].update(replica=1), "Deployment.spec: unknown field replica"),
        (lambda o: o["spec"].pop("selector"), "selector"),
        (lambda o: o["spec"].update(replicas="1"), "'1' is no int"),
        (lambda o: o["spec"].update(replicas=True), "True is no int"),
        (lambda o: _gateway(o)["env"].append({"name": "A", "value": 1}), "1 is no str"),
        (lambda o: _gateway(o).update(command="serve"), "not a list"),
        (lambda o: _gateway(o)["resources"]["limits"].update(memory=1), "1 is no str"),
        (lambda o: _gateway(o)["securityContext"].update(runAsRoot=True), "runAsRoot"),
        (lambda o: _gateway(o).update(resources=[]), "not an object"),
        (lambda o: o["metadata"].update(labels=[]), "not an object"),
    ],
)
def test_a_mistake_in_an_object_is_found(mistake: Break, says: str) -> None:
    """Each by its name."""
    gateway = find("Deployment", "agentarmy-gateway")
    mistake(gateway)
    (problem,) = problems(gateway)
    assert says in problem


def _gateway(deployment: Object) -> Any:
    return deployment["spec"]["template"]["spec"]["containers"][0]


def test_every_pod_keeps_the_rules() -> None:
    """The gateway's, the scratch server's, and the daemon's as the chart makes it."""
    assert {name: broken(pod) for name, pod in pods()} == {
        "agentarmy-gateway": [],
        "agentarmy-scratch": [],
        "agentarmy-daemon": [],
    }


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda p: p["securityContext"].pop("runAsUser"), "may run as root"),
        (lambda p: _last(p)["securityContext"].update(runAsUser=0), "may run as root"),
        (lambda p: _last(p)["securityContext"].update(runAsNonRoot=False), "may run as root"),
        (lambda p: _last(p)["securityContext"].pop("readOnlyRootFilesystem"), "writes to"),
        (lambda p: _last(p)["securityContext"].pop("allowPrivilegeEscalation"), "become more"),
        (lambda p: _last(p)["securityContext"].update(privileged=True), "become more"),
        (lambda p: _last(p)["securityContext"].pop("capabilities"), "keeps capabilities"),
        (lambda p: p["securityContext"].pop("seccompProfile"), "any system call"),
        (lambda p: _last(p)["resources"].pop("requests"), "asks for no resources"),
        (lambda p: _last(p)["resources"]["limits"].pop("memory"), "may take all memory"),
        (lambda p: p.update(hostNetwork=True), "shares the node's"),
        (lambda p: p["volumes"][1].update(emptyDir={}), "may fill the node"),
        (lambda p: p["volumes"][1].update(hostPath={"path": "/"}), "folder of the node"),
        (lambda p: p["volumes"].pop(), "mounts what is not there"),
        (
            lambda p: (p.pop("serviceAccountName"), p.pop("automountServiceAccountToken")),
            "that all pods have",
        ),
        (lambda p: _code_server(p).update(ports=[{"containerPort": 4000}]), "from outside"),
        (lambda p: _code_server(p)["command"].extend(["--host", "10.0.0.1"]), "from outside"),
        (lambda p: _code_server(p).pop("restartPolicy"), "is no sidecar"),
        (lambda p: _code_server(p).pop("livenessProbe"), "not at all"),
        (
            lambda p: _code_server(p).update(startupProbe={"tcpSocket": {"port": 4000}}),
            "over the network",
        ),
    ],
)
def test_a_pod_that_breaks_a_rule_is_found(mistake: Break, says: str) -> None:
    """In the gateway's."""
    pod = dict(pods())["agentarmy-gateway"]
    mistake(pod)
    assert [rule for rule in broken(pod) if says in rule]


def _last(pod: Object) -> Any:
    return pod["containers"][-1]


def _code_server(pod: Object) -> Any:
    (found,) = (c for c in pod["initContainers"] if c["name"] == "code-server")
    return found


def test_what_names_another_object_finds_it() -> None:
    """Services, budgets and policies select pods that exist; accounts and roles are there."""
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for document in documents()
        if document["kind"] == "Deployment"
    ]
    wanted: list[dict[str, str]] = []
    for document in documents():
        spec = document.get("spec", {})
        match document["kind"]:
            case "Service":
                wanted.append(spec["selector"])
            case "Deployment" | "PodDisruptionBudget":
                wanted.append(spec["selector"]["matchLabels"])
            case "NetworkPolicy":
                wanted.append(spec["podSelector"].get("matchLabels", {}))
    assert len(wanted) == 8
    assert all(any(want.items() <= has.items() for has in labels) for want in wanted)
    for _, pod in pods():
        if name := pod.get("serviceAccountName"):
            assert name == "agentarmy-daemon" or find("ServiceAccount", name)
    binding = find("RoleBinding", "agentarmy-gateway")
    assert find("Role", binding["roleRef"]["name"])
    assert [find(s["kind"], s["name"])["kind"] for s in binding["subjects"]] == ["ServiceAccount"]
    assert {s["namespace"] for s in binding["subjects"]} == {KUSTOMIZATION["namespace"]}


def test_the_gateway_starts_nothing_and_the_namespace_lets_nothing_lax_in() -> None:
    """It may end runs. A pod that does not keep the rules is refused by Kubernetes, too."""
    verbs = {verb for rule in find("Role", "agentarmy-gateway")["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "delete"}
    labels = find("Namespace", "agentarmy")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_probes_ask_what_the_gateway_answers() -> None:
    """Each probe its own address, with more time than a check has."""
    gateway = _gateway(find("Deployment", "agentarmy-gateway"))
    probes = {name: gateway[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    assert {name: probe["httpGet"]["path"] for name, probe in probes.items()} == {
        "startup": "/health/startup",
        "readiness": "/health/ready",
        "liveness": "/health",
    }
    assert all(probe["timeoutSeconds"] > 3 for probe in probes.values())


def test_only_the_gateway_is_open_and_the_scratch_server_cannot_get_out() -> None:
    """Everything else that comes in is refused."""
    policies = {
        document["metadata"]["name"]: document["spec"]
        for document in documents()
        if document["kind"] == "NetworkPolicy"
    }
    assert policies["nobody-comes-in"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert [rule["ports"] for rule in policies["gateway"]["ingress"]] == [
        [{"protocol": "TCP", "port": "http"}]
    ]
    assert policies["scratch"]["policyTypes"] == ["Ingress", "Egress"]
    assert policies["scratch"]["egress"] == []
    ours = {"app.kubernetes.io/part-of": "agentarmy"}
    assert [rule["from"] for rule in policies["scratch"]["ingress"]] == [
        [{"podSelector": {"matchLabels": ours}}]
    ]


def test_settings_are_ours_and_secrets_come_from_secrets() -> None:
    """Every variable exists; the secret ones are taken from Secret Manager by the name that the
    other deployments use."""
    known = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert {*settings(), *_secrets()} <= {*known}
    assert not {name for name in settings() if "SecretStr" in str(known[name].annotation)}
    assert {name: f"ops_{name.lower()}" for name in _secrets()} == _secrets()


def test_what_lets_people_in_is_known_to_the_gateway_alone() -> None:
    """No run and no code server could hand it on."""
    knowing = {
        (pod_name, container["name"])
        for pod_name, pod in pods()
        for container in (*pod.get("initContainers", ()), *pod["containers"])
        if {"secretRef": {"name": "agentarmy-gateway"}} in container.get("envFrom", ())
    }
    assert knowing == {("agentarmy-gateway", "gateway")}
    data = find("ExternalSecret", "agentarmy-settings")["spec"]["data"]
    assert not [item for item in data if "TOKEN" in item["secretKey"]]


def test_production_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that production insists on is there."""
    assert settings()["ENVIRONMENT"] == "production"
    values = {name: PRODUCTION.get(name, "") for name in _secrets()}
    tokens = {name: name.lower().ljust(43, "x") for name in _secrets() if "TOKEN" in name}
    for name, value in {**values, **tokens, **settings()}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().environment.value == "production"


def test_dagster_is_set_up_as_on_cloud_run() -> None:
    """But for where runs are started, and where what they print is kept."""
    here = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    there = yaml.safe_load((FOLDER.parent / "dagster" / "cloudrun" / "dagster.yaml").read_text())
    assert {*here} == {*there}
    assert {key for key in here if here[key] != there[key]} == {"run_launcher", "compute_logs"}
    most = here["run_monitoring"]["max_runtime_seconds"]
    assert here["run_launcher"]["config"]["run_k8s_config"]["job_spec_config"] == {
        # The run monitor ends a run first, and says so.
        "activeDeadlineSeconds": most + 600,
        "ttlSecondsAfterFinished": 86400,
    }


def test_the_scratch_server_takes_the_user_and_password_of_its_secret() -> None:
    """The password has a secret of its own, which the pods that use the URL do not get."""
    (server,) = dict(pods())["agentarmy-scratch"]["containers"]
    environment = {item["name"]: item for item in server["env"]}
    reference = environment["POSTGRES_PASSWORD"]["valueFrom"]["secretKeyRef"]
    secret = find("ExternalSecret", reference["name"])
    assert [item["secretKey"] for item in secret["spec"]["data"]] == [reference["key"]]
    assert "envFrom" not in server


def test_kustomize_builds_it() -> None:
    """With kubectl: one image everywhere, in the namespace; no object gets another name."""
    kubectl = needs("kubectl", "kubernetes-client")
    built = subprocess.run(
        [kubectl, "kustomize", FOLDER], capture_output=True, text=True, check=True
    )
    objects = {
        (item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(built.stdout)
    }
    image = "{newName}@{digest}".format(**KUSTOMIZATION["images"][0])
    pod = objects["Deployment", "agentarmy-gateway"]["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["image"] == image
        says = {"name": "DAGSTER_CURRENT_IMAGE", "value": image} in container["env"]
        assert says is (container["name"] != "migrate")
    dagster = objects["ConfigMap", "agentarmy-dagster"]["data"]
    assert dagster["dagster.yaml"] == (FOLDER / "dagster.yaml").read_text()
    assert objects["ConfigMap", "agentarmy-settings"]["data"] == settings()
    namespaces = {item["metadata"].get("namespace") for item in objects.values()}
    assert namespaces == {"agentarmy", None}  # None: the namespace itself
    assert [problem for item in objects.values() if item["kind"] not in _CUSTOM
            for problem in problems(item)] == []  # fmt: skip


def test_a_mistake_in_the_kustomization_is_found(tmp_path: Path) -> None:
    """A path that leads nowhere, which kustomize would otherwise make up or leave out."""
    kubectl = needs("kubectl", "kubernetes-client")
    shutil.copytree(FOLDER, tmp_path / "copy")
    file = tmp_path / "copy" / "kustomization.yaml"
    file.write_text(file.read_text().replace("[name=code-server]", "[name=code-sever]"))
    built = subprocess.run(
        [kubectl, "kustomize", file.parent], capture_output=True, text=True, check=False
    )
    assert built.returncode != 0
    assert "code-sever" in built.stderr
