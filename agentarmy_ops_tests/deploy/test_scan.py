"""The static scanner finds nothing in the Terraform configuration, and finds what is planted."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentarmy_ops_tests.deploy.hcl import TERRAFORM

_OWN = TERRAFORM.parents[1] / ".venv/scan/bin/checkov"
CHECKOV = str(_OWN) if _OWN.exists() else shutil.which("checkov")

pytestmark = pytest.mark.skipif(CHECKOV is None, reason="checkov is not installed: make scan")

# What is planted: a file, a text in it, what stands there instead, and the rule that finds it.
PLANTED = {
    "public-bucket": ("buckets.tf", '= "enforced"', '= "inherited"', "CKV_GCP_114"),
    "object-acls": (
        "buckets.tf",
        "uniform_bucket_level_access = true",
        "uniform_bucket_level_access = false",
        "CKV_GCP_29",
    ),
    "no-versions": (
        "buckets.tf",
        "versioning {\n    enabled = true",
        "versioning {\n    enabled = false",
        "CKV_GCP_78",
    ),
    "everybody-reads": (
        "access.tf",
        "member = each.value.member",
        'member = "allUsers"',
        "CKV_GCP_28",
    ),
    "public-database": (
        "cloud_sql.tf",
        "ipv4_enabled    = false",
        "ipv4_enabled    = true",
        "CKV_GCP_60",
    ),
    "no-backups": (
        "cloud_sql.tf",
        "backup_configuration {\n      enabled                        = true",
        "backup_configuration {\n      enabled                        = false",
        "CKV_GCP_14",
    ),
    "old-keys": ("kms.tf", '"7776000s"', '"31536000s"', "CKV_GCP_43"),
    "public-machine": (
        "scratch.tf",
        "  network_interface {\n",
        "  network_interface {\n    access_config {}\n",
        "CKV_GCP_40",
    ),
    "open-port": (
        "scratch.tf",
        'source_ranges = [var.run_cidr]\n  target_tags   = ["agentarmy-scratch"]\n\n'
        '  allow {\n    protocol = "tcp"\n    ports    = ["5432"]',
        'source_ranges = ["0.0.0.0/0"]\n  target_tags   = ["agentarmy-scratch"]\n\n'
        '  allow {\n    protocol = "tcp"\n    ports    = ["22"]',
        "CKV_GCP_2",
    ),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What checkov says, of the configuration as it is and of each copy with a mistake."""
    root = tmp_path_factory.mktemp("scan")
    shutil.copytree(TERRAFORM, root / "as-it-is")
    for name, (file, right, wrong, _) in PLANTED.items():
        text = (TERRAFORM / file).read_text()
        assert right in text, f"{name}: {file} has changed"
        (root / name).mkdir()
        (root / name / file).write_text(text.replace(right, wrong, 1))
    done = subprocess.run(
        [
            *(CHECKOV or "", "--directory", root, "--output", "json", "--soft-fail"),
            *("--config-file", TERRAFORM / ".checkov.yaml"),
            *("--var-file", TERRAFORM / "environments/production.tfvars.example"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report


def failed(report: Mapping[str, Any], folder: str) -> set[str]:
    """The rules that something in a folder breaks."""
    checks = report["results"]["failed_checks"]
    return {one["check_id"] for one in checks if one["file_path"].startswith(f"/{folder}/")}


def test_the_scanner_finds_nothing(found: Mapping[str, Any]) -> None:
    assert failed(found, "as-it-is") == set()
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["resource_count"] > 60


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_scanner_finds_what_is_planted(mistake: str, found: Mapping[str, Any]) -> None:
    assert PLANTED[mistake][3] in failed(found, mistake)


def test_suppressions_give_their_reason() -> None:
    for path in TERRAFORM.glob("*.tf"):
        for rule, reason in re.findall(r"checkov:skip=(\w+)(.*)", path.read_text()):
            assert re.fullmatch(r": .{30,}", reason), f"{path.name}: {rule}"
            assert rule.startswith("CKV"), rule


def test_the_lock_names_no_registry(repository_root: Path) -> None:
    lock = (repository_root / "requirements-scan.lock").read_text()
    assert "checkov==" in lock
    assert "--hash=sha256:" in lock
    assert "://" not in lock
