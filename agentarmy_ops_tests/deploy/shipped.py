"""The files below ``deploy/``, and the programs that check them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
#: The files of rules, in the order in which they build on each other.
RULES = ("rules.yml", "slo.yml")
DASHBOARD = PROMETHEUS.parent / "grafana" / "dashboard.json"

# Four addresses that production takes; of no server.
PRODUCTION = {
    "DATABASE_URL": "postgresql://agentarmy_owner:secret@live.example/agentarmy",
    "BACKUP_DATABASE_URL": "postgresql://agentarmy_backup:secret@live.example/agentarmy",
    "DAGSTER_DATABASE_URL": "postgresql://dagster:secret@live.example/dagster",
    "SCRATCH_DATABASE_URL": "postgresql://scratch:secret@scratch.example/postgres",
}


def needs(program: str, package: str) -> str:
    """The path of a program, or the test is skipped."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: {package})")
    return found


@dataclass(frozen=True)
class Rule:
    """A rule of :data:`RULES`; ``alert`` is its name, empty of one that records."""

    alert: str
    record: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


def rules() -> list[Rule]:
    """All rules, in their order."""
    files = [yaml.safe_load((PROMETHEUS / name).read_text()) for name in RULES]
    return [
        Rule(
            rule.get("alert", ""),
            rule.get("record", ""),
            rule["expr"],
            rule.get("labels", {}),
            rule.get("annotations", {}),
        )
        for loaded in files
        for group in loaded["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[Rule]:
    """The rules that alert."""
    return [rule for rule in rules() if rule.alert]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, rows among them."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Title and expression of each query of the dashboard."""
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
