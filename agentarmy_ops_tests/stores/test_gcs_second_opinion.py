"""The store against a server that others wrote, so that ours is not the only witness of how
Cloud Storage speaks. It keeps no preconditions and no holds; what it does know must work."""

import logging
import socket
from collections.abc import Iterator

import pytest
from gcp_storage_emulator.server import create_server

from agentarmy_ops.errors import ObjectExistsError, ObjectNotFoundError, StoreError
from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops_tests.fix_gcs import QUICK_RETRY

CHUNK = 256 * 1024


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsStore]:
    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    with create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket"):
        yield GcsStore("bucket", "backups", chunk_bytes=CHUNK, retry=QUICK_RETRY)


def test_another_server_understands_the_same(store: GcsStore) -> None:
    data = bytes(range(256)) * 4096
    for size in (0, 1, CHUNK, 3 * CHUNK + 1):
        name = f"tenants/a/{size}/archive"
        with store.create(name) as writer:
            writer.write(data[:size])
        with store.open(name) as reader:
            assert reader.read() == data[:size]
        assert store.read(name) == data[:size]
        assert [(info.name, info.size) for info in store.list("tenants/")] == [(name, size)]
        assert list(store.list_folders("tenants/")) == ["a"]
        with pytest.raises(ObjectExistsError), store.create(name):
            pass
        store.delete(name)
        with pytest.raises(ObjectNotFoundError):
            store.read(name)
    with pytest.raises(ValueError, match="mine"), store.create("b") as writer:
        writer.write(data)
        raise ValueError("mine")
    assert list(store.list("")) == []
    with pytest.raises(StoreError):
        list(GcsStore("none", retry=QUICK_RETRY).list(""))
