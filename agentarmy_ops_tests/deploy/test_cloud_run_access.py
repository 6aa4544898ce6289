"""What Cloud Run is told to run as, and to hand out, is what Terraform makes and grants."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from agentarmy_ops_tests.deploy.access import read_access
from agentarmy_ops_tests.deploy.hcl import TERRAFORM, blocks

CLOUD_RUN = TERRAFORM.parent / "cloudrun"


def cloud_run_files() -> Iterator[tuple[str, Any]]:
    """Service, worker pool and jobs by their names without ``agentarmy-``."""
    for path in sorted(CLOUD_RUN.glob("*.yaml")):
        yield path.stem, yaml.safe_load(path.read_text())  # a template, and YAML all the same


def found_in(content: Any, key: str) -> Iterator[Any]:
    """Every value of a key, however deep."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            yield from found_in(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from found_in(value, key)


def test_cloud_run_runs_as_the_identities_that_are_made() -> None:
    for name, content in cloud_run_files():
        (account,) = set(found_in(content, "serviceAccountName"))
        assert account.partition("@")[0] == f"agentarmy-{name}"
    named = {name for name, _ in cloud_run_files()}
    assert named == set(read_access()["grants"]) - {"deploy"}


def test_secrets_are_granted_to_those_that_cloud_run_gives_them_to() -> None:
    given: dict[str, set[str]] = {}
    for name, content in cloud_run_files():
        for reference in found_in(content, "secretKeyRef"):
            given.setdefault(reference["name"], set()).add(name)
    granted = {secret: set(who) for secret, who in read_access()["settings"].items()}
    assert given == granted


def test_the_examples_of_both_are_of_the_same_environment() -> None:
    for name in ("staging", "production"):
        example = (TERRAFORM / f"environments/{name}.tfvars.example").read_text()
        terraform = dict(re.findall(r'^(\w+) += "(.*)"$', example, re.MULTILINE))
        rendered = (CLOUD_RUN / f"environments/{name}.env").read_text()
        cloud_run = dict(re.findall(r"^(\w+)=(.*)$", rendered, re.MULTILINE))
        project, region = terraform["project_id"], terraform["region"]
        assert (cloud_run["PROJECT"], cloud_run["PROJECT_NUMBER"], cloud_run["REGION"]) == (
            project,
            terraform["project_number"],
            region,
        )
        assert cloud_run["NETWORK"] == terraform["network"]
        subnetwork = f"projects/{project}/regions/{region}/subnetworks/agentarmy-run"
        assert cloud_run["SUBNETWORK"] == subnetwork
        assert cloud_run["BACKUP_BUCKET"] == f"{project}-agentarmy-backups"
        assert cloud_run["LOGS_BUCKET"] == f"{project}-agentarmy-logs"
        (prefix,) = (one for one in blocks("variable") if one.labels == ("store_prefix",))
        assert cloud_run["STORE_PREFIX"] == (prefix.argument("default") or "").strip('"')
        assert cloud_run["APPLICATION_INSTANCE"] == terraform["application_instance"]
