"""What holds for every pod of ours."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentarmy_ops_tests.deploy.kubernetes.schema import problems_of

Object = Mapping[str, Any]
_USERS = {10001, 999}  # ours, and that of the image postgres
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def broken(pod: Object) -> list[str]:
    """The rules that a pod's specification breaks; empty when it breaks none."""
    return [
        *problems_of("V1PodSpec", pod),
        *_of_pod(pod),
        *(
            f"{container['name']}: {rule}"
            for container in _containers(pod)
            for rule in _of_container(container, pod)
        ),
    ]


def _containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def _of_pod(pod: Object) -> Iterator[str]:
    if any(pod.get(key) for key in _HOST):
        yield "shares the node's namespaces"
    if pod.get("serviceAccountName", "default") == "default" and pod.get(
        "automountServiceAccountToken", True
    ):
        yield "has a token of the account that all pods have"
    for volume in pod.get("volumes", ()):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a folder of the node"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume {volume['name']} may fill the node"


def _of_container(container: Object, pod: Object) -> Iterator[str]:
    # A container's own word counts, else the pod's.
    context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") not in _USERS:
        yield "may run as root"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "writes to its root file system"
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may become more than it is"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "may make any system call"
    resources = container.get("resources", {})
    if not {"cpu", "memory", "ephemeral-storage"} <= {*resources.get("requests", {})}:
        yield "asks for no resources"
    if not {"memory", "ephemeral-storage"} <= {*resources.get("limits", {})}:
        yield "may take all memory or disk"
    if not {mount["name"] for mount in container["volumeMounts"]} <= {
        volume["name"] for volume in pod["volumes"]
    }:
        yield "mounts what is not there"
    if container["name"] == "code-server":
        yield from _of_code_server(container)


def _of_code_server(container: Object) -> Iterator[str]:
    """Dagster's gRPC asks nobody who they are: it must not leave the pod."""
    if container.get("ports") or "--host" in " ".join(container["command"]):
        yield "can be reached from outside"
    if container.get("restartPolicy") != "Always":
        yield "is no sidecar"
    probes = [container.get(name) for name in ("startupProbe", "livenessProbe")]
    if not all(probe and "exec" in probe for probe in probes):
        yield "is asked over the network, or not at all"
