"""How ``up`` keeps its two processes together, with others in their place."""

import os
import signal
import subprocess
import sys
import threading

import psutil

# Runs until it is told to end, and says when it runs.
STAYS = "http.server"
PROGRAM = """
import sys
from agentarmy_ops.cli.up import _run_until_one_ends
well = _run_until_one_ends({"gateway": sys.argv[1].split(), "daemon": sys.argv[2].split()})
print("well" if well else "not well", flush=True)
"""


def start(gateway: str, daemon: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, gateway, daemon],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def read_until(process: "subprocess.Popen[str]", text: str, times: int = 1) -> str:
    """What it wrote up to ``text``, which comes so many times. All are killed where it does not."""
    assert process.stdout
    timer = threading.Timer(60, kill_all, [process])
    timer.start()
    written = ""
    for line in process.stdout:
        written += line  # two processes may write into one line
        if written.count(text) == times:
            break
    timer.cancel()
    return written


def kill_all(process: "subprocess.Popen[str]") -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    process.kill()


def test_when_one_ends_the_other_is_ended() -> None:
    # calendar prints a year and ends.
    with start(f"{STAYS} 0", "calendar 2026") as process:
        written = read_until(process, "well\n")
    assert "Error: the daemon ended by itself (exit code 0), so all is stopped\n" in written
    assert written.endswith("not well\n")
    with start("calendar -no-such-option", f"{STAYS} 0") as process:
        written = read_until(process, "well\n")
    assert "Error: the gateway ended by itself (exit code 2), so all is stopped\n" in written
    assert written.endswith("not well\n")


def test_told_to_end_it_tells_both() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with start(f"{STAYS} 0", f"{STAYS} 0") as process:
            read_until(process, "Serving HTTP", times=2)
            children = psutil.Process(process.pid).children()
            process.send_signal(number)
            assert "not well" not in read_until(process, "well\n")
        assert len(children) == 2
        assert not psutil.wait_procs(children, timeout=60)[1]


def test_ctrl_c_reaches_one_process_alone() -> None:
    """Else each would be told twice, and the gateway takes a second time for impatience."""
    with start(f"{STAYS} 0", f"{STAYS} 0") as process:
        read_until(process, "Serving HTTP", times=2)
        children = psutil.Process(process.pid).children()
        groups = [os.getpgid(child.pid) for child in children]
        process.terminate()
        read_until(process, "well\n")
    assert len(children) == 2
    assert groups == [child.pid for child in children]
