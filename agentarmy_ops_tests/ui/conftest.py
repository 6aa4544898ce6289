"""``agentarmy-ops up`` as an operator has it: gateway, daemon, code location."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from urllib.request import urlopen

import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

LONGEST_WAIT = 120  # seconds
# As root, and without a network, Chromium needs telling.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Up:
    """The running command; what it prints is how one knows what it has done."""

    process: "subprocess.Popen[str]"
    port: int
    lines: list[str] = field(default_factory=list)

    def wait_for(self, text: str) -> str:
        """The first line that holds ``text``, printed already or still to come."""
        for line in self.lines:
            if text in line:
                return line
        assert self.process.stdout
        # All of its children, for they hold the pipe open that is read here.
        timer = threading.Timer(LONGEST_WAIT, _kill_all, [self.process.pid])
        timer.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if text in line:
                    return line
        finally:
            timer.cancel()
        raise AssertionError(f"{text!r} never came:\n{''.join(self.lines[-60:])}")


def _kill_all(pid: int) -> None:
    parent = psutil.Process(pid)
    for process in (*parent.children(recursive=True), parent):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _has_started(port: int) -> bool:
    with suppress(OSError):  # HTTPError, too: not yet
        urlopen(f"http://127.0.0.1:{port}/health/startup").close()
        return True
    return False


@pytest.fixture
def start_up(environment: dict[str, str]) -> Iterator[Callable[..., Up]]:
    """Start it with more variables set: ``start_up(NIGHTLY_BACKUP_CRON="* * * * *")``."""
    started: list[Up] = []

    def start(**variables: str) -> Up:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "agentarmy_ops.cli", "up", "--port", str(port)],
            env={**os.environ, **environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        up = Up(process, port)
        started.append(up)
        up.wait_for("Gateway: http://")
        deadline = time.monotonic() + LONGEST_WAIT
        while not _has_started(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        return up

    yield start
    for up in started:
        up.process.send_signal(signal.SIGTERM)
        up.wait_for("Stopped.")
        up.process.communicate(timeout=LONGEST_WAIT)
        assert up.process.returncode == 0, "".join(up.lines[-60:])


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a headless Chromium of this machine."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium is installed to look at the UI with (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(LONGEST_WAIT * 1000)
        expect.set_options(timeout=LONGEST_WAIT * 1000)
        yield page
        browser.close()
