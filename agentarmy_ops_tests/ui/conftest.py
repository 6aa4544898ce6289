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


class Up:
    """The running command; what it prints is how one knows what it has done. All of it is read at
    once, for who writes into a full pipe stands still."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str) -> str:
        """The first line that holds ``text``, printed already or still to come."""
        deadline, seen = time.monotonic() + LONGEST_WAIT, 0
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if text in line:
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"{text!r} never came:\n{''.join(self.lines[-60:])}")
                self._changed.wait(min(left, 1))

    def stop(self) -> None:
        """End it, as an operator does; it must end well."""
        try:
            self.process.send_signal(signal.SIGTERM)
            self.wait_for("Stopped.")
            assert self.process.wait(LONGEST_WAIT) == 0, "".join(self.lines[-60:])
        finally:
            _kill_all(self.process.pid)
            self._reader.join(LONGEST_WAIT)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        self.process.stdout.close()


def _kill_all(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
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
        up.stop()


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
