"""The gateway and Dagster's daemon on this machine."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn

import click

from agentarmy_ops.cli.output import note, print_error
from agentarmy_ops.runtime import Runtime

_HOST = "127.0.0.1"
# As long as `dagster dev` gives its processes, in seconds.
_END_SECONDS = 60
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(
    epilog="""\b
Examples:
  agentarmy-ops up
  agentarmy-ops up --port 3001

With GATEWAY_AUTH=none, whoever reaches the port may start any job. It never listens on an address
that other machines can reach: for that there is 'agentarmy-ops serve'."""
)
@click.option("--port", default=3000, show_default=True, help="Port of the gateway on 127.0.0.1.")
@click.pass_context
def up(context: click.Context, port: int) -> None:
    """Serve the Dagster UI, /fleet and /metrics on this machine, with daemon, schedules and
    sensors, until Ctrl-C."""
    # Loaded here: Dagster takes a second, which --help should not.
    from agentarmy_ops.orchestration.code_servers import shared_code_servers  # noqa: PLC0415
    from agentarmy_ops.orchestration.local_runs import (  # noqa: PLC0415
        dagster_home,
        workspace_file,
    )

    home = dagster_home()
    runtime = Runtime()
    # This process holds the embedded server, so it lives until all below has ended.
    _ = runtime.owner, runtime.dagster_url
    for number in _ENDS:
        # Also SIGINT, which a shell has background commands ignore, and they their children.
        signal.signal(number, _leave)
    with shared_code_servers(workspace_file(home)) as workspace:
        well = _run_until_one_ends(
            {"gateway": _gateway(workspace, port), "daemon": _daemon(workspace)}
        )
    note("Stopped.")
    context.exit(0 if well else 1)


def _gateway(workspace: Path, port: int) -> list[str]:
    where = ["--host", _HOST, "--port", str(port)]
    return ["agentarmy_ops.cli", "serve", *where, "--workspace", str(workspace)]


def _daemon(workspace: Path) -> list[str]:
    return ["dagster._daemon", "run", "--workspace", str(workspace)]


def _run_until_one_ends(modules: dict[str, Sequence[str]]) -> bool:
    """Run Python modules beside each other until one ends or we are told to; end all. Whether we
    were told to, and all ended well."""
    ended: SimpleQueue[str | None] = SimpleQueue()

    def told(_number: int, _frame: FrameType | None) -> None:
        ended.put(None)

    for number in _ENDS:
        signal.signal(number, told)
    children = {name: _start(command) for name, command in modules.items()}
    for name, child in children.items():
        threading.Thread(target=_waiter(name, child, ended), daemon=True).start()
    first = ended.get()
    if first is not None:
        code = children[first].returncode
        print_error(f"the {first} ended by itself (exit code {code}), so all is stopped")
    for child in children.values():
        child.terminate()
    codes = [_wait(child) for child in children.values()]
    return first is None and not any(code not in (0, -signal.SIGTERM) for code in codes)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Told to end while code is loaded: what was started is stopped on the way out."""
    sys.exit(0)


def _start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    # In a group of its own: Ctrl-C in the terminal reaches this process alone, which tells them.
    return subprocess.Popen(
        [sys.executable, "-m", *command], stdin=subprocess.DEVNULL, process_group=0
    )


def _waiter(
    name: str, child: "subprocess.Popen[bytes]", ended: "SimpleQueue[str | None]"
) -> Callable[[], None]:
    def wait() -> None:
        child.wait()
        ended.put(name)

    return wait


def _wait(child: "subprocess.Popen[bytes]") -> int:
    try:
        return child.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
