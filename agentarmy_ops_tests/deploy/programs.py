"""Servers of other people's, started for a test and asked over HTTP."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx

LONGEST_WAIT = 120  # seconds
T = TypeVar("T")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends; what it prints is in ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    except TimeoutError:
        raise AssertionError(f"it never came:\n{log.read_text()[-4000:]}") from None
    finally:
        process.terminate()
        process.wait(LONGEST_WAIT)


def until(ask: Callable[[], T | None]) -> T:
    """Ask until the answer is something; one that does not come yet, or is an error, is none.

    Raises:
        TimeoutError: nothing came for long.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if answer := ask():
                return answer
        time.sleep(0.05)
    raise TimeoutError
