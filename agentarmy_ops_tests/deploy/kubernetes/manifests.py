"""The files of ``deploy/kubernetes/``, and the pods that come of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

Object = dict[str, Any]


def documents() -> list[Object]:
    """All objects of the files that ``kustomization.yaml`` lists."""
    return [
        _unshared(document)
        for file in KUSTOMIZATION["resources"]
        for document in yaml.safe_load_all((FOLDER / file).read_text())
    ]


def find(kind: str, name: str) -> Object:
    """The object of that kind and name."""
    (found,) = (
        document
        for document in documents()
        if document["kind"] == kind and document["metadata"]["name"] == name
    )
    return found


def values() -> Object:
    """What the chart is given."""
    return _unshared(yaml.safe_load((FOLDER / "values.yaml").read_text()))


def _unshared(loaded: Object) -> Object:
    """What has two names in the file, by an anchor, as two objects."""
    copied: Object = json.loads(json.dumps(loaded))
    return copied


def daemon_pod(given: Object) -> Object:
    """The daemon's pod as the chart makes it of values; only what the values decide."""
    daemon = given["dagsterDaemon"]
    image = daemon["image"]
    return {
        "serviceAccountName": given["serviceAccount"]["name"],
        "securityContext": daemon["podSecurityContext"],
        "initContainers": daemon["extraPrependedInitContainers"],
        "containers": [
            {
                "name": "dagster",
                "image": f"{image['repository']}@{image['digest']}",
                "imagePullPolicy": image["pullPolicy"],
                "env": daemon["env"],
                "envFrom": [
                    *({"configMapRef": ref} for ref in daemon["envConfigMaps"]),
                    *({"secretRef": ref} for ref in daemon["envSecrets"]),
                ],
                "resources": daemon["resources"],
                "securityContext": daemon["securityContext"],
                "volumeMounts": daemon["volumeMounts"],
            }
        ],
        "volumes": daemon["volumes"],
    }


def pods() -> Iterator[tuple[str, Object]]:
    """Name and specification of each pod that is there from the start."""
    for document in documents():
        if document["kind"] == "Deployment":
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]
    yield "agentarmy-daemon", daemon_pod(values())


def settings() -> dict[str, str]:
    """``settings.env``."""
    lines = (FOLDER / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
