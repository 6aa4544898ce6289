"""``compose.yaml`` is of the Compose specification, and every container keeps the rules."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentarmy_ops.settings import Settings, load_settings
from agentarmy_ops_tests.deploy.compose.rules import (
    DAGSTER,
    FOLDER,
    ROOT,
    Object,
    broken,
    compose,
    mebibytes,
    ours,
)
from agentarmy_ops_tests.deploy.shipped import PRODUCTION

Break = Callable[[Any], object]
_FIELDS = {name.upper(): field for name, field in Settings.model_fields.items()}


def _check(file: Path) -> "subprocess.CompletedProcess[str]":
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_of_the_compose_specification() -> None:
    """As its JSON schema has it."""
    done = _check(FOLDER / "compose.yaml")
    assert done.returncode == 0, done.stdout


def test_a_mistake_is_none_of_the_compose_specification(tmp_path: Path) -> None:
    """Each is named."""
    file = compose()
    services = file["services"]
    services["gateway"]["comand"] = "serve"
    services["daemon"]["restart"] = 5
    services["migrate"]["depends_on"]["postgres"]["condition"] = "service_helthy"
    services["scratch"]["healthcheck"]["retries"] = [5]
    file["networks"]["scratch"]["internal"] = {"yes": True}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(file))
    done = _check(tmp_path / "compose.yaml")
    assert done.returncode == 1
    for place in ("comand", "daemon.restart", "postgres", "retries", "scratch.internal"):
        assert place in done.stdout


def test_every_container_keeps_the_rules() -> None:
    """Ours and others'."""
    file = compose()
    assert ours(file) == {"gateway", "daemon", "code-server", "migrate", "ops"}
    assert {*file["services"]} - ours(file) == {"scratch", "postgres", "redis"}
    assert broken(file) == []


def _service(file: Object, name: str) -> Any:
    return file["services"][name]


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda f: _service(f, "gateway").pop("read_only"), "gateway: writes to its root"),
        (lambda f: _service(f, "redis").pop("cap_drop"), "redis: keeps capabilities"),
        (lambda f: _service(f, "daemon").update(cap_add=["NET_ADMIN"]), "keeps capabilities"),
        (lambda f: _service(f, "daemon").update(privileged=True), "keeps capabilities"),
        (lambda f: _service(f, "scratch").pop("security_opt"), "become more than it is"),
        (lambda f: _service(f, "scratch").update(user="0:0"), "runs as root"),
        (lambda f: _service(f, "scratch").pop("user"), "runs as root"),
        (lambda f: _service(f, "gateway").update(user="1000:1000"), "another user than"),
        (lambda f: _service(f, "daemon").update(network_mode="host"), "machine's namespaces"),
        (lambda f: _service(f, "code-server").pop("mem_limit"), "all of the machine"),
        (lambda f: _service(f, "gateway").pop("init"), "keeps zombies"),
        (lambda f: _service(f, "gateway").pop("logging"), "fills the disk"),
        (lambda f: _service(f, "daemon").pop("restart"), "being restarted"),
        (lambda f: _service(f, "daemon").update(healthcheck={"disable": True}), "asks whether"),
        (lambda f: _service(f, "code-server").pop("stop_grace_period"), "how it is stopped"),
        (lambda f: _service(f, "gateway").update(ports=["3000:3000"]), "to other machines"),
        (lambda f: _service(f, "code-server").update(ports=["127.0.0.1:4000:4000"]), "published"),
        (lambda f: _service(f, "gateway")["volumes"].append("/etc:/etc"), "writes to /etc"),
        (
            lambda f: _service(f, "code-server")["volumes"].append(
                "/var/run/docker.sock:/var/run/docker.sock:ro"
            ),
            "is root on the machine",
        ),
        (lambda f: _service(f, "daemon").pop("env_file"), "has no settings"),
        (lambda f: _service(f, "daemon")["environment"].update(ENVIRONMENT="staging"), "its own"),
        (lambda f: _service(f, "daemon").pop("container_name"), "daemon: may be there twice"),
        (lambda f: _service(f, "daemon").update(deploy={"replicas": 2}), "may be there twice"),
        (
            lambda f: _service(f, "scratch")["environment"].update(POSTGRES_PASSWORD="secret"),
            "has a password in the file",
        ),
        (lambda f: _service(f, "postgres").pop("profiles"), "has a password in the file"),
        (lambda f: _service(f, "scratch").update(volumes=["demo:/data"]), "thrown away"),
        (
            lambda f: _service(f, "daemon").update(image="${AGENTARMY_IMAGE:?}-other"),
            "several versions",
        ),
        (lambda f: f["networks"].update(scratch={}), "network leads out"),
        (lambda f: _service(f, "scratch")["networks"].append("edge"), "gets out"),
        (
            lambda f: _service(f, "code-server").update(
                command=["agentarmy-ops", "code-server", "--host", "10.0.0.1"]
            ),
            "listens elsewhere",
        ),
        (lambda f: f["volumes"].update(code=None), "not in memory"),
        (
            lambda f: f["volumes"]["code"]["driver_opts"].update(o="uid=10001"),
            "socket is open to others",
        ),
        (lambda f: _service(f, "daemon")["volumes"].pop(), "daemon: does not see the socket"),
        (
            lambda f: _service(f, "redis").update(volumes=["code:/run/agentarmy"]),
            "redis: sees the socket",
        ),
    ],
)
def test_what_breaks_a_rule_is_found(mistake: Break, says: str) -> None:
    """By its name."""
    file = compose()
    mistake(file)
    assert [rule for rule in broken(file) if says in rule]


def test_what_is_waited_for_is_there_and_tells() -> None:
    """Whoever is waited for until it is healthy can be; whoever until it ends, ends."""
    services = compose()["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            waited_for = services[name]
            if wanted["condition"] == "service_healthy":
                assert "test" in waited_for["healthcheck"]
            else:
                assert waited_for["restart"].startswith("on-failure")
            # Only one that is always started is needed always.
            assert wanted.get("required", True) is not ("profiles" in waited_for)


def test_runs_under_way_have_time_to_end_when_their_container_is_stopped() -> None:
    """The code server waits for them; Docker's own patience is ten seconds. Gateway and daemon
    end first, since they need the code server."""
    services = compose()["services"]
    assert services["code-server"]["stop_grace_period"] == "30m"
    for name in ("gateway", "daemon"):
        assert services[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "code-server": {"condition": "service_healthy"},
        }


def test_what_is_in_memory_fits_the_container() -> None:
    """A tmpfs counts as the container's memory."""
    for name, service in compose()["services"].items():
        sizes = [
            option.removeprefix("size=")
            for mount in service["tmpfs"]
            for option in mount.partition(":")[2].split(",")
            if option.startswith("size=")
        ]
        assert len(sizes) == len(service["tmpfs"])
        assert sum(map(mebibytes, sizes)) < mebibytes(service["mem_limit"]), name


@pytest.mark.parametrize("name", ["agentarmy.env.example", "demo.env.example"])
def test_settings_are_ours(name: str) -> None:
    """Every variable exists, and none that is a secret has a value that opens anything."""
    for variable, value in _example(name).items():
        if "SecretStr" in str(_FIELDS[variable].annotation) and value:
            assert "PASSWORD" in value or "demo" in value or variable == "REDIS_URL"


def _example(name: str) -> dict[str, str]:
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_production_takes_the_settings_once_they_are_filled_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that production insists on is asked for."""
    example = _example("agentarmy.env.example")
    tokens = {name: name.lower().ljust(43, "x") for name in example if "TOKEN" in name}
    for name, value in example.items():
        monkeypatch.setenv(name, value or {**PRODUCTION, **tokens}.get(name, ""))
    assert load_settings().environment.value == "production"


def test_the_proxy_that_is_believed_is_this_machine() -> None:
    """As the gateway sees it: the first address of its network."""
    (config,) = compose()["networks"]["edge"]["ipam"]["config"]
    assert _example("agentarmy.env.example")["GATEWAY_TRUSTED_PROXIES"] == config["gateway"]


def test_what_is_filled_in_is_never_committed() -> None:
    """Git ignores the copies."""
    wanted = {compose()["services"][name]["env_file"] for name in ("gateway", "scratch")}
    assert wanted == {"agentarmy.env", "scratch.env"}
    ignored = (FOLDER / ".gitignore").read_text().split()
    assert {f"/{name}" for name in wanted} == {*ignored}
    assert all((FOLDER / f"{name}.example").is_file() for name in wanted)


def test_dagster_is_set_up_as_anywhere_else() -> None:
    """What the two files share says the same, but for what one machine needs besides."""
    here = yaml.safe_load((DAGSTER / "dagster.yaml").read_text())
    there = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert here["run_monitoring"].pop("max_runtime_seconds") == 21600
    assert {*here} - {*there} == {"local_artifact_storage", "run_launcher", "compute_logs"}
    del here["run_coordinator"], there["run_coordinator"]
    assert {key: here[key] for key in there} == there
