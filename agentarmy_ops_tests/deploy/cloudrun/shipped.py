"""The files of ``deploy/cloudrun`` as ``render.py`` writes them, and those of the instance."""

import importlib.util
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

CLOUD_RUN = Path(__file__).parents[3] / "deploy" / "cloudrun"
INSTANCE = CLOUD_RUN.parent / "dagster" / "cloudrun"
ENVIRONMENTS = ("staging", "production")
IMAGE = f"europe-west1-docker.pkg.dev/example-ops/agentarmy/agentarmy-ops@sha256:{'0' * 64}"


def load_render() -> ModuleType:
    """``render.py``, which is a script and in no package."""
    specification = importlib.util.spec_from_file_location("render", CLOUD_RUN / "render.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@dataclass
class Shipped:
    """Parsed: the rendered files by name without suffix, and ``dagster.yaml`` and
    ``workspace.yaml`` of the instance."""

    files: dict[str, Any]
    dagster: Any
    workspace: Any

    def containers(self, name: str) -> list[dict[str, Any]]:
        """The containers of a file."""
        spec = self.files[name]["spec"]["template"]["spec"]
        found: list[dict[str, Any]] = (
            spec.get("containers") or spec["template"]["spec"]["containers"]
        )
        return found

    def container(self, name: str, container: str) -> dict[str, Any]:
        """One of them, by its own name."""
        return next(one for one in self.containers(name) if one["name"] == container)

    def variable(self, name: str, container: str, variable: str) -> dict[str, Any]:
        """One of a container's variables."""
        found: list[dict[str, Any]] = self.container(name, container)["env"]
        return next(one for one in found if one["name"] == variable)


def shipped(environment: str) -> Shipped:
    """What an environment gets, the caller's to change."""
    return deepcopy(_shipped(environment))


@cache
def _shipped(environment: str) -> Shipped:
    rendered = load_render().rendered(environment, IMAGE)
    return Shipped(
        {name.removesuffix(".yaml"): yaml.safe_load(text) for name, text in rendered.items()},
        yaml.safe_load((INSTANCE / "dagster.yaml").read_text()),
        yaml.safe_load((INSTANCE / "workspace.yaml").read_text()),
    )
