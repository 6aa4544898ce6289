"""The Terraform configuration, as far as it can be judged without Google: its form, what its parts
say of each other, and what Terraform itself makes of conditions."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from dagster_contrib_gcp.cloud_run import run_launcher
from pydantic import SecretStr

from agentarmy_ops.orchestration import cloud_run
from agentarmy_ops.settings import Settings
from agentarmy_ops_tests.deploy.access import Places, read_access
from agentarmy_ops_tests.deploy.cel import holds
from agentarmy_ops_tests.deploy.hcl import TERRAFORM, blocks, text

needs_terraform = pytest.mark.skipif(
    shutil.which("terraform") is None, reason="terraform is not installed"
)


def terraform(folder: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run it without this machine's configuration of it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    return subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        input=stdin,
        env={**environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the configuration, to be broken."""
    return Path(shutil.copytree(TERRAFORM, tmp_path / "terraform"))


# Form


@needs_terraform
def test_it_is_formatted() -> None:
    checked = terraform(TERRAFORM, "fmt", "-check", "-recursive", "-no-color")
    assert (checked.returncode, checked.stdout) == (0, ""), "run terraform fmt -recursive"


@needs_terraform
@pytest.mark.parametrize("name", ["staging", "production"])
def test_the_examples_are_formatted(name: str) -> None:
    example = (TERRAFORM / f"environments/{name}.tfvars.example").read_text()
    assert terraform(TERRAFORM, "fmt", "-", stdin=example).stdout == example


@needs_terraform
@pytest.mark.parametrize("name", ["buckets.tf", "environments/broken.tfvars"])
def test_broken_formatting_is_found(copy: Path, name: str) -> None:
    (copy / name).write_text('locals {\n     x="y"\n}\n' if name.endswith(".tf") else 'x="y"\n')
    checked = terraform(copy, "fmt", "-check", "-recursive", "-no-color")
    assert checked.returncode == 3
    assert name in checked.stdout


@needs_terraform
def test_it_is_valid(copy: Path) -> None:
    """With Google's provider, where it can be had."""
    made_ready = terraform(copy, "init", "-backend=false", "-input=false", "-no-color")
    if "could not connect to registry" in made_ready.stderr.replace("\n", " "):
        pytest.skip("the registry of Terraform's providers is out of reach")
    assert made_ready.returncode == 0, made_ready.stderr
    valid = terraform(copy, "validate", "-no-color")
    assert valid.returncode == 0, valid.stderr


@needs_terraform
@pytest.mark.parametrize("name", ["buckets.tf", "access.tf"])
def test_what_is_no_terraform_is_found(copy: Path, name: str) -> None:
    (copy / name).write_text((copy / name).read_text().replace("}", "", 1))
    assert terraform(copy, "fmt", "-check", "-no-color").returncode != 0


# What its parts say of each other


def test_every_variable_is_described_and_used() -> None:
    used = set(re.findall(r"\bvar\.(\w+)", text()))
    variables = {block.labels[0]: block for block in blocks("variable")}
    assert used == set(variables)
    for name, block in variables.items():
        assert (block.argument("description") or "").endswith('."'), name
        assert block.argument("type"), name
        # Used elsewhere than in its own validation.
        assert re.search(rf"\bvar\.{name}\b", text().replace(block.body, "")), name


def test_every_output_is_described() -> None:
    for block in blocks("output"):
        assert (block.argument("description") or "").endswith('."'), block.labels


def test_every_local_value_is_used() -> None:
    for block in blocks("locals"):
        for name in re.findall(r"^  (\w+) += ", block.body, re.MULTILINE):
            assert re.search(rf"\blocal\.{name}\b", text()), name


def test_no_secret_gets_into_the_state() -> None:
    keeping = {
        "google_secret_manager_secret_version",
        "google_service_account_key",
        "google_sql_user",
        "random_password",
    }
    assert not {block.labels[0] for block in blocks("resource")} & keeping
    assert not re.search(r"(?<![\w-])(secret_data|password) +=", text())


def test_the_backups_are_kept_shorter_than_prune_keeps_them() -> None:
    (retention,) = (one for one in blocks("variable") if one.labels == ("retention_days",))
    default = int(retention.argument("default") or 0)
    assert 0 < default < Settings.model_fields["keep_daily"].default


# The beginning of a resource's type, and the API it is made by.
APIS = {
    "google_artifact_registry_": "artifactregistry",
    "google_cloud_run_": "run",
    "google_compute_": "compute",
    "google_iam_workload_": "iam",
    "google_iap_": "iap",
    "google_kms_": "cloudkms",
    "google_monitoring_": "monitoring",
    "google_project_iam_": "iam",
    "google_secret_manager_": "secretmanager",
    "google_service_account": "iam",
    "google_service_networking_": "servicenetworking",
    "google_sql_": "sqladmin",
    "google_storage_": "storage",
}
# Workloads exchange GitHub's token at one, and become the service account at the other.
FEDERATION = {"sts", "iamcredentials"}


def test_the_apis_that_resources_need_are_switched_on() -> None:
    on = set(re.findall(r'"(\w+)\.googleapis\.com",', text()))
    needed = set(FEDERATION)
    for block in blocks("resource"):
        if block.labels[0] != "google_project_service":
            needed |= {api for start, api in APIS.items() if block.labels[0].startswith(start)}
            assert any(block.labels[0].startswith(start) for start in APIS), block.labels
    assert on == needed


# Identities, roles, secrets


def secret_settings() -> set[str]:
    return {
        name
        for name, setting in Settings.model_fields.items()
        if SecretStr in (setting.annotation, *get_args(setting.annotation))
    }


def test_every_secret_setting_has_its_secret() -> None:
    """But the gateway's tokens: on Cloud Run, people enter through the Identity-Aware Proxy."""
    tokens = {"gateway_operator_token", "gateway_viewer_token"}
    assert set(read_access()["settings"]) == {f"ops_{name}" for name in secret_settings() - tokens}


def test_identities_are_those_of_the_grants() -> None:
    (block,) = (one for one in blocks("locals") if one.file == "service_accounts.tf")
    identities = re.findall(r"^    ([\w-]+) += \"", block.body, re.MULTILINE)
    access = read_access()
    assert list(access["grants"]) == identities
    assert {one for who in access["settings"].values() for one in who} < set(identities)


def test_roles_are_made_for_grants_and_grants_have_roles() -> None:
    access = read_access()
    grants = [(who, one) for who, grants in access["grants"].items() for one in grants]
    own = {grant["role"] for _, grant in grants if not grant["role"].startswith("roles/")}
    assert own == set(access["roles"])
    places = {grant["at"] for _, grant in grants}
    known = set(re.findall(r'grant\.at == "([\w-]+)"', text()))
    known |= set(re.findall(r'"([\w-]+)"', re.search(r"contains\((\[.*?\]), grant", text())[1]))  # type: ignore[index]
    assert places == known
    # Terraform names a grant by these three: two of the same would be one.
    names = [(who, grant["role"], grant["at"]) for who, grant in grants]
    assert len(names) == len(set(names))


def test_terraform_makes_of_a_grant_what_it_says() -> None:
    """To its member, its role, and under its condition, if grants of that place have any."""
    access = read_access()
    grants = [one for grants in access["grants"].values() for one in grants]
    conditional = {one["at"] for one in grants if "condition" in one}
    made = [one for one in blocks("resource") if one.file == "access.tf" and "grant.at" in one.body]
    assert len(made) == 7
    for block in made:
        places = set(
            re.findall(r'"([\w-]+)"(?=[^"]*grant\.at)|grant\.at == "([\w-]+)"', block.body)
        )
        named = {one for pair in places for one in pair if one} & {one["at"] for one in grants}
        assert named, block.labels
        assert re.search(r"  member +=? ?= each\.value\.member\n", block.body), block.labels
        if block.labels[1] == "application":  # its project has no role of ours
            assert 'role    = "roles/cloudsql.client"' in block.body
        else:
            assert re.search(r"role += (local\.role_ids\[|each\.value\.role)", block.body), (
                block.labels
            )
        applied = re.search(r"expression = (condition\.value|each\.value\.condition)\n", block.body)
        assert bool(applied) == bool(named & conditional), block.labels


def test_what_the_run_launcher_asks_of_cloud_run_is_granted_and_no_more() -> None:
    """By the methods that its code calls, and the permissions that Google's reference names."""
    code = "".join(Path(one.__file__ or "").read_text() for one in (run_launcher, cloud_run))
    called = set(re.findall(r"self\.(jobs|executions)_client\.(\w+)\(", code))
    permissions = {
        ("jobs", "run_job"): {"run.jobs.run", "run.jobs.runWithOverrides"},
        ("executions", "get_execution"): {"run.executions.get"},
        ("executions", "cancel_execution"): {"run.executions.cancel"},
    }
    assert called == set(permissions)
    roles = read_access()["roles"]
    assert set(roles["runStarter"]["permissions"]) == set().union(*permissions.values())
    # The gateway terminates what it did not start.
    assert set(roles["runStopper"]["permissions"]) == permissions["executions", "cancel_execution"]


# What GitHub's token must say

TOKEN = {
    "sub": "repo:example/agentarmy-ops:environment:production",
    "repository": "example/agentarmy-ops",
    "ref": "refs/tags/v1.2.3",
    "environment": "production",
}


def federation_condition(folder: Path = TERRAFORM) -> str:
    (provider,) = (
        one
        for one in blocks("resource", folder)
        if one.labels[0] == "google_iam_workload_identity_pool_provider"
    )
    condition = (provider.argument("attribute_condition") or "").strip('"')
    values = {
        "github_repository": TOKEN["repository"],
        "github_tag_prefix": "refs/tags/v",
        "environment": TOKEN["environment"],
    }
    return re.sub(r"\$\{var\.(\w+)\}", lambda found: values[found[1]], condition)


def test_the_workflow_of_the_repository_may_deploy() -> None:
    assert holds(federation_condition(), assertion=TOKEN)


FOREIGN_TOKENS = [
    {"repository": "example/another", "sub": "repo:example/another:environment:production"},
    {"repository": "thief/agentarmy-ops", "sub": "repo:thief/agentarmy-ops:environment:production"},
    {"ref": "refs/heads/main"},
    {"ref": "refs/heads/refs/tags/v1"},
    {"ref": "refs/tags/try"},
    {"ref": "refs/pull/7/merge"},
    {"environment": "staging", "sub": "repo:example/agentarmy-ops:environment:staging"},
    {"sub": "repo:example/agentarmy-ops:ref:refs/heads/main"},
    {"sub": "repo:example/agentarmy-ops:pull_request"},
]


@pytest.mark.parametrize("changes", FOREIGN_TOKENS, ids=str)
def test_no_other_workflow_may(changes: dict[str, str]) -> None:
    assert not holds(federation_condition(), assertion={**TOKEN, **changes})


@pytest.mark.parametrize(
    "weaker",
    [
        "assertion.repository.startsWith('example/')",
        "assertion.repository == '${var.github_repository}'",
        "assertion.ref.startsWith('${var.github_tag_prefix}')",
    ],
)
def test_a_weaker_condition_would_let_others_in(copy: Path, weaker: str) -> None:
    path = copy / "workload_identity.tf"
    condition = re.compile(r'(attribute_condition = )".*"')
    path.write_text(condition.sub(lambda found: f'{found[1]}"{weaker}"', path.read_text()))
    condition_of_copy = federation_condition(copy)
    assert any(
        holds(condition_of_copy, assertion={**TOKEN, **changes}) for changes in FOREIGN_TOKENS
    )


def test_never_the_whole_pool() -> None:
    (member,) = re.findall(r'"principalSet:.*?\]\)', text(), re.DOTALL)
    assert member.rstrip("])\n ,").endswith('/attribute.repository/${var.github_repository}"')


# What Terraform itself makes of it


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., Any]:
    """Let Terraform evaluate ``local.access``, with the variables of an environment's example.
    Only locals and variables are there, so it needs no provider."""
    shutil.copy(TERRAFORM / "variables.tf", tmp_path)
    shutil.copy(TERRAFORM / "access.yaml", tmp_path)
    (tmp_path / "main.tf").write_text(
        "\n".join(
            "locals {\n" + re.split(r"\n  grants = ", block.body)[0] + "\n}\n"
            for block in blocks("locals")
            if block.file in ("access.tf", "buckets.tf")
        )
    )

    def run(environment: str, /, **changes: str) -> Any:
        example = TERRAFORM / f"environments/{environment}.tfvars.example"
        shutil.copy(example, tmp_path / "example.tfvars")
        given = [f"-var={name}={value}" for name, value in changes.items()]
        done = terraform(
            tmp_path,
            "console",
            "-var-file=example.tfvars",
            *given,
            stdin="jsonencode(local.access)\n",
        )
        if done.returncode != 0 or not done.stdout.startswith('"'):
            return done.stderr + done.stdout
        return json.loads(json.loads(done.stdout))

    return run


@needs_terraform
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_terraform_reads_the_same_grants(environment: str, evaluate: Callable[..., Any]) -> None:
    example = (TERRAFORM / f"environments/{environment}.tfvars.example").read_text()
    values = dict(re.findall(r'^(\w+) += "(.*)"$', example, re.MULTILINE))
    project, _, instance = values["application_instance"].split(":")
    places = Places(
        f"{values['project_id']}-agentarmy-backups",
        "agentarmy",
        values["project_number"],
        values["project_id"],
        f"projects/{project}/instances/{instance}",
    )
    assert evaluate(environment) == read_access(places)


@needs_terraform
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("github_repository", "example/*", "without wildcards"),
        ("github_repository", "example", "without wildcards"),
        ("github_tag_prefix", "refs/tags/*", "without wildcards"),
        ("github_tag_prefix", "refs/heads/main", "refs/tags/"),
        ("environment", "development", "staging or production"),
        ("project_id", "Example", "lower-case letters"),
        ("project_number", "example-ops", "digits only"),
        ("store_prefix", "/agentarmy", "separated by '/'"),
        ("retention_days", "400", "0 to 365 days"),
        ("noncurrent_days", "0", "1 to 90 days"),
        ("soft_delete_days", "1", "7 to 90 days"),
        ("run_cidr", "10.80.0.0/28", "/26 or larger"),
        ("application_instance", "app", "project:region:instance"),
        ("scratch_image", "postgres:16", "by digest"),
        ("gateway_people", '["allUsers"]', "never allUsers"),
        ("gateway_people", '["domain:example.com"]', "never allUsers"),
    ],
)
def test_values_that_would_do_harm_are_refused(
    name: str, value: str, says: str, evaluate: Callable[..., Any]
) -> None:
    answer = evaluate("staging", **{name: value})
    assert isinstance(answer, str), "it was taken"
    assert says in " ".join(answer.replace("│", " ").split())
