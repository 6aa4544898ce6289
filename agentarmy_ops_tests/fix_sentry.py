"""A Sentry and a webhook on this machine, that keep what they are sent over real HTTP."""

import gzip
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sentry_sdk

from agentarmy_ops.observability.notify import Notifier

PATIENCE_SECONDS = 30


@dataclass
class Received:
    """Requests, in the order in which they came."""

    address: str = ""
    status: int = 200
    answered: int = 0
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    hang: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.hang.set()  # is not to hang

    def add(self, path: str, body: bytes) -> None:
        with self.arrived:
            self.paths.append(path)
            self.bodies.append(body)
            self.arrived.notify_all()

    def wait(self, what: Callable[[], bool]) -> None:
        """Until that is so."""
        with self.arrived:
            assert self.arrived.wait_for(what, PATIENCE_SECONDS)


class SentryServer(Received):
    """What a project of Sentry received. The protocol: https://develop.sentry.dev/sdk/envelopes/"""

    @property
    def dsn(self) -> str:
        return f"http://publickey:secretkey@{self.address}/42"

    @property
    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and payload of each item of the envelopes."""
        return [item for body in self.bodies for item in read_envelope(body)]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.items if kind == "event"]

    @property
    def transactions(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.items if kind == "transaction"]

    def wait_for_events(self, count: int) -> list[dict[str, Any]]:
        """The events, once there are that many."""
        self.wait(lambda: len(self.events) >= count)
        return self.events


def read_envelope(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Items of an envelope: a line of headers, then for each item one more and its payload."""
    header, _, rest = body.partition(b"\n")
    assert (
        "sent_at" in json.loads(header) or "dsn" in json.loads(header) or json.loads(header) == {}
    )
    items = []
    while rest.strip():
        line, _, rest = rest.partition(b"\n")
        item = json.loads(line)
        length = item["length"]
        items.append((str(item["type"]), json.loads(rest[:length])))
        assert rest[length : length + 1] in (b"", b"\n")
        rest = rest[length + 1 :]
    return items


class _Handler(BaseHTTPRequestHandler):
    received: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.add(self.path, body)
        self.received.hang.wait(PATIENCE_SECONDS)
        self.send_response(self.received.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.received.answered += 1

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _serve(received: Received) -> Iterator[Received]:
    handler = type("Handler", (_Handler,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        received.address = f"127.0.0.1:{server.server_address[1]}"
        # It looks this often, in seconds, whether it is to stop.
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        yield received
        received.hang.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def sentry_server() -> Iterator[Received]:
    """A Sentry; this process's SDK is stopped and forgets everything when the test ends."""
    yield from _serve(SentryServer())
    stop_sentry()


@pytest.fixture
def webhook() -> Iterator[Received]:
    """A web server that takes any POST."""
    # All of Apprise is loaded when its first address is read, and with it a deprecated module.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        Notifier(["json://localhost"]).check()
    yield from _serve(Received())


def stop_sentry() -> None:
    """As if Sentry had never been started in this process."""
    client = sentry_sdk.get_client()
    if client.is_active():
        client.close(timeout=0)
    for scope in (
        sentry_sdk.get_global_scope(),
        sentry_sdk.get_isolation_scope(),
        sentry_sdk.get_current_scope(),
    ):
        scope.clear()
        scope.set_client(None)
