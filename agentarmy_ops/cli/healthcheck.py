"""Whether the role that a container was started for works: the image's HEALTHCHECK."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from agentarmy_ops.cli.exits import ExitCode
from agentarmy_ops.cli.output import print_error
from agentarmy_ops.errors import OpsError

_SECONDS = 5
# Each of the daemon's threads writes one every 30 seconds; a tick that takes long may put it off.
_HEARTBEAT_SECONDS = 300
_HEARTBEAT_AGE = """
    SELECT extract(epoch FROM now() AT TIME ZONE 'UTC' - min(timestamp)) FROM daemon_heartbeats
    WHERE daemon_id = (SELECT daemon_id FROM daemon_heartbeats ORDER BY timestamp DESC LIMIT 1)"""


class _NotWell(Exception):  # noqa: N818 - a finding, no failure of the check
    """What was found."""


@click.command(
    short_help="Ask a container's role whether it works.",
    epilog="""\b
Examples:
  podman exec gateway agentarmy-ops healthcheck
  agentarmy-ops healthcheck --process 4711

Only reads. Whoever deploys to Cloud Run or Kubernetes uses their probes instead.""",
)
@click.option(
    "--process",
    default=1,
    show_default=True,
    help="Process that was started with 'agentarmy-ops ROLE'; a container's first, by default.",
)
@click.pass_context
def healthcheck(context: click.Context, process: int) -> None:
    """Exit with 0 when the role works: serve answers /health, daemon's heartbeats are fresh,
    code-server answers. Anything else lives as long as it runs, and is healthy."""
    # Names and options are those the process was started with; defaults and PORT are ours.
    root = context.find_root().command
    assert isinstance(root, click.Group)  # noqa: S101 - it is what the entry point calls
    arguments = role_arguments(Path(f"/proc/{process}/cmdline").read_bytes())
    check = _CHECKS.get(arguments[0]) if arguments else None
    if check is None:
        return
    role = root.get_command(context, arguments[0])
    if role is None:  # pragma: no cover - each of _CHECKS is a command
        return
    parsed = role.make_context(arguments[0], list(arguments[1:]), resilient_parsing=True)
    try:
        check(parsed.params)
    except _NotWell as finding:
        print_error(f"{arguments[0]}: {finding}")
        context.exit(ExitCode.FAILURE)


def role_arguments(command_line: bytes) -> Sequence[str]:
    """What came after ``agentarmy-ops`` on a command line as ``/proc`` shows it, whatever
    interpreter or init was before it; nothing where it is another program's."""
    words = [os.fsdecode(word) for word in command_line.split(b"\0")[:-1]]
    for place, word in enumerate(words):
        if Path(word).name == "agentarmy-ops" or word == "agentarmy_ops.cli":
            return words[place + 1 :]
    return []


def _gateway(options: Mapping[str, Any]) -> None:
    """The event loop answers."""
    host = str(options["host"])
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - every address, so loopback, too
        host = "127.0.0.1"
    url = f"http://{f'[{host}]' if ':' in host else host}:{options['port']}/health"
    try:
        # Not through a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=_SECONDS):
            return
    except urllib.error.HTTPError as error:
        with error:
            raise _NotWell(f"{url} answers {error.code}") from None
    except OSError as error:
        raise _NotWell(f"{url} does not answer ({error})") from error


def _daemon(_options: Mapping[str, Any]) -> None:
    """The threads of the process that last wrote a heartbeat have all written one lately. A thread
    that has died ends the daemon by itself."""
    # Loaded here, so that the other checks do without.
    from agentarmy_ops.postgres.conninfo import ConnInfo  # noqa: PLC0415
    from agentarmy_ops.runtime import Runtime  # noqa: PLC0415

    try:
        storage = ConnInfo.parse(Runtime().dagster_url, name="DAGSTER_DATABASE_URL")
        with storage.given_up_after(_SECONDS).connect() as connection:
            row = connection.execute(_HEARTBEAT_AGE).fetchone()
    except OpsError as error:
        raise _NotWell(str(error)) from error
    if row is None or row[0] is None:
        raise _NotWell("no heartbeat yet")
    if row[0] > _HEARTBEAT_SECONDS:
        raise _NotWell(f"a thread's last heartbeat is {row[0]:.0f} s old")


def _code_server(options: Mapping[str, Any]) -> None:
    """It serves, which it does once the code is loaded."""
    # Loaded here, so that the other checks do without.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import (  # type: ignore[import-untyped]  # noqa: PLC0415
        health_pb2,
        health_pb2_grpc,
    )

    file = options["socket_file"]
    address = f"unix:{file}" if file else f"{options['host']}:{options['port']}"
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service="DagsterApi"), timeout=_SECONDS
            )
        except grpc.RpcError as error:
            raise _NotWell(f"{address} does not answer") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise _NotWell(f"{address} does not serve")


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "serve": _gateway,
    "daemon": _daemon,
    "code-server": _code_server,
}
