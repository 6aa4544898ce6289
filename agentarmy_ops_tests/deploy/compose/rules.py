"""The compose file, and what holds for everything in it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "compose"
DAGSTER = ROOT / "deploy" / "dagster" / "compose"
Object = dict[str, Any]

_OURS = "${AGENTARMY_IMAGE:?"
_ONE_OF_A_KIND = ("daemon", "code-server")
# What ends by itself needs no health and may take its time.
_SHORT_LIVED = {"migrate", "ops"}
_BYTES = {"m": 1, "g": 1024}


def compose() -> Object:
    """The file, with what it merges merged and nothing shared."""
    loaded: Object = json.loads(json.dumps(yaml.safe_load((FOLDER / "compose.yaml").read_text())))
    return loaded


def broken(file: Object) -> list[str]:
    """The rules that a compose file breaks; empty when it breaks none."""
    services = file["services"]
    return [
        *(
            f"{name}: {rule}"
            for name, service in services.items()
            for rule in (
                *_of_service(name, service),
                *_of_what_it_shares(name, service, file),
                *(_of_ours(name, service) if name in ours(file) else _of_others(service)),
            )
        ),
        *_of_the_whole(file),
    ]


def ours(file: Object) -> set[str]:
    """Names of the services that run our image."""
    return {
        name for name, service in file["services"].items() if service["image"].startswith(_OURS)
    }


def _of_service(name: str, service: Object) -> Iterator[str]:
    if service.get("read_only") is not True:
        yield "writes to its root file system"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
        yield "keeps capabilities"
    if service.get("security_opt") != ["no-new-privileges:true"]:
        yield "may become more than it is"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user"))):
        yield "runs as root"
    if not ("mem_limit" in service and "pids_limit" in service):
        yield "may take all of the machine"
    if service.get("init") is not True:
        yield "keeps zombies"
    if {"max-size", "max-file"} - {*service.get("logging", {}).get("options", {})}:
        yield "fills the disk with its log"
    if "restart" not in service:
        yield "says nothing of being restarted"
    if name not in _SHORT_LIVED:
        if "test" not in service.get("healthcheck", {}):
            yield "nobody asks whether it works"
        if "stop_grace_period" not in service:
            yield "says nothing of how it is stopped"


def _of_what_it_shares(name: str, service: Object, file: Object) -> Iterator[str]:
    if any(service.get(key) for key in ("network_mode", "pid", "ipc", "devices")):
        yield "shares the machine's namespaces"
    if any(not port.startswith("127.0.0.1:") for port in service.get("ports", ())):
        yield "is published to other machines"
    if service.get("ports") and name != "gateway":
        yield "is published"
    for volume in service.get("volumes", ()):
        source, _, options = volume.partition(":")
        if source not in file["volumes"] and not options.endswith(":ro"):
            yield f"writes to {source} of the machine"
        if "docker.sock" in volume:
            yield "is root on the machine"


def _of_ours(name: str, service: Object) -> Iterator[str]:
    if service["user"] != "10001:10001":
        yield "runs as another user than the image's"
    if service.get("env_file") != "agentarmy.env":
        yield "has no settings"
    if service.get("environment") != {"DAGSTER_HOME": "/opt/agentarmy/compose"}:
        yield "has settings of its own, or another dagster.yaml"
    if name in _ONE_OF_A_KIND and (
        service.get("container_name") != f"agentarmy-{name}" or "deploy" in service
    ):
        yield "may be there twice"


def _of_others(service: Object) -> Iterator[str]:
    words = json.dumps(service.get("environment", {})).lower()
    if "password" in words and service.get("profiles") != ["demo"]:
        yield "has a password in the file"
    if "volumes" in service and service.get("profiles") != ["demo"]:
        yield "keeps what should be thrown away"


def _of_the_whole(file: Object) -> Iterator[str]:
    services = file["services"]
    if len({services[name]["image"] for name in ours(file)}) != 1:
        yield "roles of several versions"
    if file["networks"].get("scratch") != {"internal": True}:
        yield "the scratch server's network leads out"
    if services["scratch"]["networks"] != ["scratch"]:
        yield "the scratch server gets out"
    yield from _of_the_code_server(file)


def _of_the_code_server(file: Object) -> Iterator[str]:
    """Dagster's gRPC asks nobody who they are: it listens on a socket that ours alone see."""
    (location,) = yaml.safe_load((DAGSTER / "workspace.yaml").read_text())["load_from"]
    socket = location["grpc_server"].get("socket", "")
    command = file["services"]["code-server"]["command"]
    if command != ["agentarmy-ops", "code-server", "--socket", socket]:
        yield "the code server listens elsewhere than it is asked"
    folder = str(Path(socket).parent)
    (volume, *others) = [
        name for name in file["volumes"] if f"{name}:{folder}" in str(file["services"]["gateway"])
    ] or [""]
    if others or (file["volumes"].get(volume) or {}).get("driver_opts", {}).get("type") != "tmpfs":
        yield "the socket is not in memory"
    if "mode=0700" not in str(file["volumes"].get(volume)):
        yield "the socket is open to others"
    for name, service in file["services"].items():
        mounts = f"{volume}:{folder}" in service.get("volumes", ())
        if mounts != (name in ours(file)):
            yield f"{name}: {'sees' if mounts else 'does not see'} the socket"


def mebibytes(size: str) -> int:
    """``512m`` or ``1g``."""
    return int(size[:-1]) * _BYTES[size[-1]]
