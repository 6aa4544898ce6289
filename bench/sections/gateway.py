"""What the gateway adds to a request to Dagster's UI."""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

from agentarmy_ops.settings import Settings
from bench.lab import Lab, say
from bench.report import Goal, Row, at_most
from bench.section import Section

_ROOT = Path(__file__).parents[2]
_TOKEN = "token-of-the-bench-which-is-no-secret"  # noqa: S105
_REQUESTS = 1000
_WARM_UP = 50
_LONGEST_START_SECONDS = 120
_GOAL_MS = 5.0
_BARE, _GATEWAY = "dagster-webserver", "gateway"
_RUNS = "{ runsOrError(limit: 25) { ... on Runs { results { id status pipelineName } } } }"


def measure(lab: Lab) -> Iterator[Row]:
    """A row for each kind of request, made to both by turns."""
    home = lab.folder / "gateway"
    home.mkdir()
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(_ROOT / name, home)
    ours = {name.upper() for name in Settings.model_fields}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "PYTHONPATH": str(_ROOT),
        "DAGSTER_HOME": str(home),
        "AGENTARMY_HOME": str(home / "home"),
        "ENVIRONMENT": "testing",
        "GATEWAY_AUTH": "token",
        "GATEWAY_OPERATOR_TOKEN": _TOKEN,
    }
    with ExitStack() as stack:
        # The gateway first: it starts the embedded server that both use.
        gateway = stack.enter_context(
            _server(["agentarmy_ops.cli", "serve"], environment, "/health/startup")
        )
        bare = stack.enter_context(
            _server(["dagster_webserver", "-w", "workspace.yaml"], environment, "/server_info")
        )
        for what, method, path, body in _requests(HTTPConnection(*bare)):
            say(f"  {what}: {_REQUESTS} requests to each")
            # Anew for each, for a server closes connections that are idle for seconds.
            connections = {_BARE: HTTPConnection(*bare), _GATEWAY: HTTPConnection(*gateway)}
            yield {"request": what, **_compared(connections, method, path, body)}


@contextmanager
def _server(
    command: Sequence[str], environment: Mapping[str, str], ready: str
) -> Iterator[tuple[str, int]]:
    """Host and port of a server that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        env=environment,
        cwd=environment["DAGSTER_HOME"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(port, ready)
            yield "127.0.0.1", port
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_for(port: int, ready: str) -> None:
    deadline = monotonic() + _LONGEST_START_SECONDS
    while True:
        try:
            _ask(HTTPConnection("127.0.0.1", port), "GET", ready, None)
        except (OSError, RuntimeError):
            if monotonic() > deadline:
                raise
            sleep(0.2)
        else:
            return


def _requests(bare: HTTPConnection) -> Iterator[tuple[str, str, str, str | None]]:
    """Name, method, path and body."""
    page = _ask(bare, "GET", "/", None).decode()
    scripts = re.findall(r'src="(/_next/[^"]+\.js)"', page)
    sizes = {script: len(_ask(bare, "GET", script, None)) for script in scripts}
    script = max(scripts, key=sizes.__getitem__)
    yield "/server_info", "GET", "/server_info", None
    yield "GraphQL, version", "POST", "/graphql", json.dumps({"query": "{ version }"})
    yield "GraphQL, page of runs", "POST", "/graphql", json.dumps({"query": _RUNS})
    yield f"script of {sizes[script] // 1000:,} kB", "GET", script, None


def _compared(
    connections: Mapping[str, HTTPConnection], method: str, path: str, body: str | None
) -> Row:
    taken: dict[str, list[float]] = {_BARE: [], _GATEWAY: []}
    for round_ in range(_WARM_UP + _REQUESTS):
        for name in sorted(connections, reverse=bool(round_ % 2)):
            started = monotonic()
            _ask(connections[name], method, path, body)
            if round_ >= _WARM_UP:
                taken[name].append((monotonic() - started) * 1000)
    quantiles = {
        name: statistics.quantiles(times, n=100, method="inclusive")
        for name, times in taken.items()
    }
    row: dict[str, float] = {}
    for title, index in (("p50", 49), ("p99", 98)):
        without, within = quantiles[_BARE][index], quantiles[_GATEWAY][index]
        row |= {
            f"bare {title} ms": without,
            f"gateway {title} ms": within,
            f"{title} gateway ÷ bare": within / without,
        }
    return row


def _ask(connection: HTTPConnection, method: str, path: str, body: str | None) -> bytes:
    headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:  # noqa: PLR2004
        raise RuntimeError(f"{path}: {response.status} {answer[:200].decode()}")
    return answer


def goals(rows: Sequence[Row]) -> Iterable[Goal]:
    """What the layers may cost."""
    added = [float(row["gateway p50 ms"] or 0) - float(row["bare p50 ms"] or 0) for row in rows]
    yield at_most(
        f"the gateway adds at most {_GOAL_MS:g} ms to half of all requests",
        max(added, default=None),
        _GOAL_MS,
        " ms",
    )


SECTION = Section(
    name="gateway",
    title="The gateway",
    about="""\
The same request, 1,000 times each by turns, over one connection each, to a bare
`dagster-webserver` and to `agentarmy-ops serve` with `GATEWAY_AUTH=token` and JSON logs, which go
to `/dev/null`. Both are processes of their own on this machine, over the same empty Dagster
storage.
""",
    measure=measure,
    goals=goals,
)
