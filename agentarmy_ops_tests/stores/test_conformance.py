"""What every store promises. A new kind of store joins by adding itself to ``store``."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentarmy_ops.errors import ObjectExistsError, ObjectNotFoundError, StoreError
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.fix_gcs import Gcs


@pytest.fixture(params=["local", "gcs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "gcs":
        gcs: Gcs = request.getfixturevalue("gcs")
        return gcs.store()
    return LocalStore(tmp_path / "store")


def put(store: Store, name: str, data: bytes = b"data") -> None:
    with store.create(name) as writer:
        assert writer.write(data) == len(data)


def names(store: Store, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


def test_an_object_is_read_back_as_it_was_written(store: Store) -> None:
    data = bytes(range(256)) * 20_000
    with store.create("tenants/acme/archive") as writer:
        for start in range(0, len(data), 100_003):
            writer.write(memoryview(data)[start : start + 100_003])
    assert store.read("tenants/acme/archive") == data
    with store.open("tenants/acme/archive") as reader:
        assert reader.read(1000) == data[:1000]
        assert reader.read() == data[1000:]


def test_an_empty_object_exists(store: Store) -> None:
    with store.create("a/empty"):
        pass
    assert store.read("a/empty") == b""
    assert names(store) == ["a/empty"]


def test_an_object_is_invisible_until_it_is_complete(store: Store) -> None:
    with store.create("a/b") as writer:
        writer.write(b"x" * 3_000_000)
        assert names(store) == []
        with pytest.raises(ObjectNotFoundError):
            store.read("a/b")
    assert names(store) == ["a/b"]


def test_an_aborted_block_leaves_nothing(store: Store) -> None:
    with pytest.raises(OSError, match="mine"), store.create("a/b") as writer:
        writer.write(b"x" * 3_000_000)
        raise OSError("mine")
    assert names(store) == []
    assert list(store.list_folders("")) == []
    put(store, "a/b")


def test_an_existing_object_is_refused_before_any_byte_is_written(store: Store) -> None:
    put(store, "a/b", b"first")
    entered = False
    with pytest.raises(ObjectExistsError, match="a/b exists already"), store.create("a/b"):
        entered = True
    assert not entered
    assert store.read("a/b") == b"first"


def test_an_object_that_appears_meanwhile_is_not_replaced(store: Store) -> None:
    with pytest.raises(ObjectExistsError), store.create("a/b") as writer:
        writer.write(b"second")
        put(store, "a/b", b"first")
    assert store.read("a/b") == b"first"
    assert names(store) == ["a/b"]


def test_of_many_concurrent_creators_exactly_one_wins(store: Store) -> None:
    together = threading.Barrier(8)

    def create(number: int) -> bool:
        try:
            with store.create("a/b/c") as writer:
                writer.write(b"%d" % number * 1000)
                together.wait(30)
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert won.count(True) == 1
    assert store.read("a/b/c") == b"%d" % won.index(True) * 1000


def test_listing_is_in_name_order_and_by_prefix(store: Store) -> None:
    created = ["a/b/c", "a-b/c", "a.b", "a/b", "a0", "b/ä", "b/z", "ab/c"]
    created.remove("a/b")  # a folder of a local store cannot be an object too
    for name in reversed(created):
        put(store, name)
    assert names(store) == sorted(created)
    assert names(store, "a/") == ["a/b/c"]
    assert names(store, "a") == ["a-b/c", "a.b", "a/b/c", "a0", "ab/c"]
    assert names(store, "b/z") == ["b/z"]
    assert names(store, "a/b/c") == ["a/b/c"]
    assert names(store, "nothing/here") == []
    assert names(store, "a0/") == []


def test_listing_tells_size_and_time(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    put(store, "a/b", b"12345")
    [info] = store.list("")
    assert info.size == 5
    assert before <= info.created_at <= datetime.now(UTC) + timedelta(seconds=5)


def test_folders_are_the_next_segments_in_order(store: Store) -> None:
    for name in ("tenants/b/1/x", "tenants/a/1/x", "tenants/a/2/x", "tenants/loose", "p/1/x"):
        put(store, name)
    assert list(store.list_folders("")) == ["p", "tenants"]
    assert list(store.list_folders("tenants/")) == ["a", "b"]
    assert list(store.list_folders("tenants/a/")) == ["1", "2"]
    assert list(store.list_folders("none/")) == []
    with pytest.raises(StoreError, match="end it with"):
        list(store.list_folders("tenants"))


def test_delete(store: Store) -> None:
    put(store, "a/b/c")
    put(store, "a/d")
    store.delete("a/b/c")
    store.delete("a/b/c")
    store.delete("never/there")
    assert names(store) == ["a/d"]
    assert list(store.list_folders("a/")) == []
    put(store, "a/b/c", b"again")
    assert store.read("a/b/c") == b"again"


def test_creating_survives_a_deletion_that_empties_the_folder(store: Store) -> None:
    with ThreadPoolExecutor(2) as pool:

        def churn(name: str) -> None:
            for _ in range(100):
                put(store, name)
                store.delete(name)

        list(pool.map(churn, ["a/b/c/1", "a/b/c/2"]))
    assert names(store) == []


@pytest.mark.parametrize("missing", ["a", "a/b", "folder"])
def test_what_is_not_there_cannot_be_read(store: Store, missing: str) -> None:
    put(store, "folder/object")
    with pytest.raises(ObjectNotFoundError, match="does not exist"):
        store.read(missing)


BAD_NAMES = [
    "", "/", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/..", ".", "a/./b", ".partial/x",
    "a/.hidden", "a\\b", "a\0b", "a\nb", "a/\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_everywhere(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="is not an object name"), store.create(name):
        pass
    with pytest.raises(StoreError, match="is not an object name"):
        store.read(name)
    with pytest.raises(StoreError, match="is not an object name"):
        store.delete(name)


@pytest.mark.parametrize("prefix", ["/", "../", "a/../", "..", "a//", ".partial/", "/etc/"])
def test_a_bad_prefix_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(StoreError, match="is not an object name"):
        list(store.list(prefix))
    with pytest.raises(StoreError):
        list(store.list_folders(prefix))
