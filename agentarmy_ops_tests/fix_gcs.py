"""Google Cloud Storage, served on this machine to Google's own client."""

import gc
import threading
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops_tests.gcs.bucket import Bucket
from agentarmy_ops_tests.gcs.server import Fault, Server

# As the client's own, without the seconds between one try and the next.
QUICK_RETRY = DEFAULT_RETRY.with_delay(initial=0.001, maximum=0.01).with_timeout(60)


@dataclass(frozen=True)
class Gcs:
    """An empty bucket of the test's own, on the server that ``STORAGE_EMULATOR_HOST`` names
    here and in child processes."""

    server: Server
    content: Bucket

    @property
    def host(self) -> str:
        """``http://127.0.0.1:port``."""
        return self.server.url

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.content.name

    @property
    def url(self) -> str:
        """A value for ``BACKUP_STORE_URL``: ``gs://bucket/prefix``."""
        return f"gs://{self.bucket}/backups"

    def store(self, prefix: str = "backups", *, chunk_bytes: int = 256 * 1024) -> GcsStore:
        """A store with a client of its own, which is quick to try again."""
        return GcsStore(self.bucket, prefix, chunk_bytes=chunk_bytes, retry=QUICK_RETRY)

    def fail(self, kind: str, what: int | str, *, times: int = 1, after: int = 0) -> None:
        """Let requests fail; see :class:`~agentarmy_ops_tests.gcs.server.Fault`."""
        self.server.state.faults.append(Fault(kind, what, times, after))

    def requests(self) -> list[str]:
        """The kinds of the requests since this was last asked."""
        state = self.server.state
        with state.lock:
            seen, state.requests = state.requests, []
        return seen


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Server]:
    """One server for all tests."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def gcs(gcs_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """An empty bucket; nothing fails until the test says so."""
    bucket = Bucket(f"bucket-{uuid.uuid4().hex[:12]}")
    gcs_server.state.buckets[bucket.name] = bucket
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    yield Gcs(gcs_server, bucket)
    if any(fault.kind in ("media", "any") for fault in gcs_server.state.faults):
        # The client leaves the connection of a download that failed to the garbage collector:
        # which is to find it here, and not in some later test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    gcs_server.state.faults.clear()
    gcs_server.state.requests.clear()
    del gcs_server.state.buckets[bucket.name]
