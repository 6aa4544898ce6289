"""What the store in Cloud Storage has to itself: uploads in chunks, faults, holds, messages."""

import gzip
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.cloud.storage import Client

from agentarmy_ops.errors import (
    ObjectExistsError,
    ObjectHeldError,
    ObjectNotFoundError,
    StoreError,
)
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.gcs import GcsStore
from agentarmy_ops_tests.fix_gcs import QUICK_RETRY, Gcs

# Google's client leaves the connection of a download that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

CHUNK = 256 * 1024
DATA = bytes(range(251)) * (3 * CHUNK // 251)  # two chunks and most of a third
IMPATIENT = QUICK_RETRY.with_timeout(0.05)


def put(store: Store, name: str, data: bytes = DATA) -> None:
    with store.create(name) as writer:
        for start in range(0, len(data), 100_003):
            writer.write(data[start : start + 100_003])


def fails(store: Store, name: str, data: bytes = DATA) -> StoreError:
    """The error with which an upload ends; none of its texts may tell the upload's URL."""
    with pytest.raises(StoreError) as caught:
        put(store, name, data)
    told = "".join(traceback.format_exception(caught.value))
    assert "upload_id" not in told
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_object_goes_out_in_chunks_and_is_looked_at_afterwards(gcs: Gcs) -> None:
    put(gcs.store(), "a")
    assert gcs.requests() == ["metadata", "start", "chunk", "chunk", "last", "metadata"]
    data, resource = gcs.content.get("backups/a")
    assert data == DATA
    assert resource["contentType"] == "application/octet-stream"


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1])
@pytest.mark.parametrize("step", [CHUNK // 3, CHUNK, 5 * CHUNK])
def test_whatever_the_size(gcs: Gcs, size: int, step: int) -> None:
    data = DATA[:size]
    store = gcs.store()
    with store.create("a") as writer:
        for start in range(0, size, step):
            writer.write(memoryview(data)[start : start + step])
    assert gcs.content.get("backups/a")[0] == data
    assert store.read("a") == data
    with store.open("a") as reader:
        assert reader.read() == data
    # The last request has bytes, unless there are none at all.
    assert gcs.requests().count("chunk") == max(0, -(-size // CHUNK) - 1)


def test_an_upload_that_is_aborted_after_some_chunks_leaves_nothing(gcs: Gcs) -> None:
    store = gcs.store()
    with pytest.raises(KeyboardInterrupt), store.create("a") as writer:
        writer.write(DATA)
        raise KeyboardInterrupt
    assert gcs.requests() == ["metadata", "start", "chunk", "chunk", "cancel"]
    assert not gcs.content.objects
    assert not gcs.content.uploads
    put(store, "a")


def test_an_upload_that_is_aborted_early_was_never_started(gcs: Gcs) -> None:
    with pytest.raises(ValueError, match="mine"), gcs.store().create("a") as writer:
        writer.write(DATA[:CHUNK])
        raise ValueError("mine")
    assert gcs.requests() == ["metadata"]


def test_an_abort_that_cannot_reach_the_store_raises_what_aborted(gcs: Gcs) -> None:
    gcs.fail("cancel", "reset", times=100)
    with pytest.raises(ValueError, match="mine"), gcs.store().create("a") as writer:
        writer.write(DATA)
        raise ValueError("mine")
    assert gcs.requests().count("cancel") == 1
    assert not gcs.content.objects


FAULTS = [408, 429, 500, 502, 503, 504, "reset", "lose"]


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("kind", ["metadata", "start", "chunk", "last"])
def test_an_upload_survives(gcs: Gcs, kind: str, what: int | str) -> None:
    gcs.fail(kind, what, times=2)
    put(gcs.store(), "a")
    assert gcs.content.get("backups/a")[0] == DATA


@pytest.mark.parametrize("what", ["partial", 308])
@pytest.mark.parametrize(("kind", "size"), [("chunk", len(DATA)), ("last", 2 * CHUNK)])
def test_bytes_that_were_not_taken_are_sent_again(
    gcs: Gcs, kind: str, size: int, what: int | str
) -> None:
    gcs.fail(kind, what)
    put(gcs.store(chunk_bytes=2 * CHUNK), "a", DATA[:size])
    assert gcs.content.get("backups/a")[0] == DATA[:size]
    # Where none was taken, it waits and asks, and does not send the same at once.
    assert ("status" in gcs.requests()) == (what != "partial")


def test_bytes_that_arrived_are_not_sent_again(gcs: Gcs) -> None:
    gcs.fail("chunk", "lose")
    gcs.fail("last", "lose")
    put(gcs.store(), "a")
    # The answer to the question what has arrived is enough, both times.
    assert gcs.requests() == [
        "metadata", "start", "chunk", "status", "chunk", "last", "status", "metadata",
    ]  # fmt: skip


@pytest.mark.parametrize("then", [404, 410, 412, 400])
def test_an_upload_whose_last_answer_is_lost_is_known_by_its_token(gcs: Gcs, then: int) -> None:
    gcs.fail("last", "lose")
    gcs.fail("status", then)
    put(gcs.store(), "a")
    assert gcs.content.get("backups/a")[0] == DATA


def test_an_object_that_appears_during_the_upload_is_left_alone(gcs: Gcs) -> None:
    store, other = gcs.store(), gcs.store()
    with pytest.raises(ObjectExistsError, match="a exists already"), store.create("a") as writer:
        writer.write(DATA)
        put(other, "a", DATA)  # even with the same bytes it is another's
    assert gcs.content.get("backups/a")[0] == DATA
    assert len(gcs.content.uploads) == 1  # the other's; ours was cancelled


def test_an_object_that_appears_before_the_first_chunk_ends_the_upload_there(gcs: Gcs) -> None:
    with pytest.raises(ObjectExistsError), gcs.store().create("a") as writer:
        gcs.content.put("backups/a", b"other")
        with pytest.raises(ObjectExistsError, match="a exists already"):
            writer.write(DATA)
        writer.write(DATA)
    assert gcs.content.get("backups/a")[0] == b"other"


@pytest.mark.parametrize("what", [400, 403])
@pytest.mark.parametrize("kind", ["metadata", "start", "chunk", "last"])
def test_a_refused_upload_leaves_nothing(gcs: Gcs, kind: str, what: int) -> None:
    gcs.fail(kind, what)
    error = fails(gcs.store(), "a")
    assert f"{gcs.url}/a: " in str(error)
    assert ("access was denied (injected)" if what > 400 else "answered 400") in str(error)
    assert not gcs.content.objects
    assert not gcs.content.uploads


@pytest.mark.parametrize("kind", ["start", "chunk", "last"])
def test_a_store_that_stays_away_is_given_up(gcs: Gcs, kind: str) -> None:
    gcs.fail(kind, 503, times=1_000_000)
    store = GcsStore(gcs.bucket, chunk_bytes=CHUNK, retry=IMPATIENT)
    assert "tried again for a while in vain; Cloud Storage answered 503" in str(fails(store, "a"))
    assert not gcs.content.objects
    assert not gcs.content.uploads


def test_a_failed_upload_is_cancelled_before_its_object_is_looked_for(gcs: Gcs) -> None:
    gcs.fail("last", 403)  # which may have been carried out, or be so later
    fails(gcs.store(), "a")
    assert gcs.requests()[-3:] == ["last", "cancel", "metadata"]


def test_an_upload_that_the_store_forgets_fails(gcs: Gcs) -> None:
    gcs.fail("chunk", "forget", after=1)
    assert "lost bytes that it had" in str(fails(gcs.store(), "a"))
    assert not gcs.content.objects


def test_bytes_damaged_on_the_way_are_refused_by_the_store(gcs: Gcs) -> None:
    store = gcs.store()
    gcs.fail("chunk", "garble")  # the checksum comes with the last chunk
    assert "does not match" in str(fails(store, "a"))
    assert not gcs.content.objects


def test_bytes_damaged_in_the_store_are_noticed_and_removed(gcs: Gcs) -> None:
    gcs.fail("last", "garble")
    error = fails(gcs.store(), "a")
    assert "a was stored with other bytes than were sent, and was removed again" in str(error)
    assert not gcs.content.objects


def test_damaged_bytes_that_may_not_be_removed(gcs: Gcs) -> None:
    gcs.content.retention = timedelta(days=1)
    gcs.fail("last", "garble")
    assert "and may not be removed" in str(fails(gcs.store(), "a"))


def test_an_object_that_is_gone_after_its_upload_is_no_success(gcs: Gcs) -> None:
    gcs.fail("metadata", 404, after=1)
    assert "is gone again" in str(fails(gcs.store(), "a"))


@pytest.mark.parametrize("what", [*FAULTS, "cut"])
@pytest.mark.parametrize("kind", ["metadata", "media", "list", "delete"])
def test_reading_listing_and_deleting_survive(gcs: Gcs, kind: str, what: int | str) -> None:
    store = gcs.store()
    put(store, "a/b")
    gcs.fail(kind, what, times=2)
    with store.open("a/b") as reader:
        assert reader.read() == DATA
    gcs.fail(kind, what, times=2)
    assert store.read("a/b") == DATA
    assert [info.name for info in store.list("a/")] == ["a/b"]
    store.delete("a/b")
    assert not gcs.content.objects


def test_a_stream_is_read_in_parts_and_one_request_reads_a_small_object(gcs: Gcs) -> None:
    store = gcs.store()
    put(store, "a")
    gcs.requests()
    with store.open("a") as reader:
        assert reader.read(10) == DATA[:10]
        assert gcs.requests() == ["metadata", "media"]
        assert reader.read() == DATA[10:]
    assert gcs.requests() == ["media", "media"]
    assert store.read("a") == DATA
    assert gcs.requests() == ["media"]


def test_damage_is_noticed_before_the_last_byte_is_handed_out(gcs: Gcs) -> None:
    store = gcs.store()
    put(store, "a")
    gcs.content.damage("backups/a")
    with pytest.raises(StoreError, match="another checksum than the object"):
        store.read("a")
    with store.open("a") as reader:
        assert len(reader.read(CHUNK)) == CHUNK
        with pytest.raises(StoreError, match=r"cannot read gs://.*another checksum"):
            reader.read(len(DATA) - CHUNK)


def test_bytes_come_as_they_are_stored(gcs: Gcs) -> None:
    packed = gzip.compress(b"data")
    gcs.content.put("backups/a", packed, {"contentEncoding": "gzip"})
    assert gcs.store().read("a") == packed
    with gcs.store().open("a") as reader:
        assert reader.read() == packed


def test_a_part_that_comes_short_is_noticed(gcs: Gcs) -> None:
    store = gcs.store()
    put(store, "a")
    gcs.fail("media", "short", times=3)
    with store.open("a") as reader, pytest.raises(StoreError, match="another checksum"):
        reader.read()
    gcs.fail("media", "short")
    with pytest.raises(StoreError, match="another checksum"):
        store.read("a")


def test_a_stream_is_of_one_object_throughout(gcs: Gcs) -> None:
    store = gcs.store()
    put(store, "a")
    with store.open("a") as reader:
        reader.read(10)
        store.delete("a")
        put(store, "a", DATA[::-1])
        with pytest.raises(StoreError, match="No such object"):
            reader.read()


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_pages_of_a_listing_make_one_list(gcs: Gcs, page_size: int) -> None:
    store = gcs.store()
    made = [f"t/{slug}/{n}/{leaf}" for slug in "ab" for n in "123" for leaf in ("m", "x")] + ["t/z"]
    for name in made:
        gcs.content.put(f"backups/{name}", b"data")
    gcs.content.page_size = page_size
    assert [info.name for info in store.list("")] == made
    assert len(gcs.requests()) == -(-len(made) // page_size)
    assert list(store.list_folders("t/")) == ["a", "b"]
    assert list(store.list_folders("t/b/")) == ["1", "2", "3"]
    assert list(store.list_folders("")) == ["t"]


def test_what_others_keep_in_the_bucket_is_not_seen(gcs: Gcs) -> None:
    for name in ("other/x", "backups2/x/y", "backup", "backups", "x/y"):
        gcs.content.put(name, b"")
    for name in ("backups/", "backups/a/", "backups/.hidden/x", "backups/a/.x", "backups//b/c"):
        gcs.content.put(name, b"")
    store = gcs.store()
    put(store, "a/b", b"data")
    assert [(info.name, info.size) for info in store.list("")] == [("a/b", 4)]
    assert list(store.list_folders("")) == ["a"]
    whole = gcs.store(prefix="")
    assert whole.read("backups/a/b") == b"data"
    assert list(whole.list_folders("")) == ["backups", "backups2", "other", "x"]


def test_a_temporary_hold(gcs: Gcs) -> None:
    _held(gcs, {"temporaryHold": True}, {"temporaryHold": False}, "temporary hold; release")


def test_an_event_based_hold(gcs: Gcs) -> None:
    _held(gcs, {"eventBasedHold": True}, {"eventBasedHold": False}, "event-based hold; release")


def test_the_retention_of_an_object(gcs: Gcs) -> None:
    until, past = "2999-01-02T03:04:05Z", "2001-01-01T00:00:00Z"
    _held(
        gcs,
        {"retentionExpirationTime": past, "retention": {"retainUntilTime": until}},
        {"retention": {"retainUntilTime": past}},
        "the bucket retains it until 2999-01-02 03:04 UTC",
    )


def test_the_retention_of_a_bucket(gcs: Gcs) -> None:
    gcs.content.retention = timedelta(days=2)
    until = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-")
    past = {"retentionExpirationTime": "2001-01-01T00:00:00Z"}
    _held(gcs, {}, past, f"the bucket retains it until {until}")


def _held(gcs: Gcs, hold: Mapping[str, object], release: Mapping[str, object], why: str) -> None:
    store = gcs.store()
    put(store, "a")
    gcs.content.patch("backups/a", dict(hold))
    assert [info.held for info in store.list("")] == [True]
    with pytest.raises(ObjectHeldError) as caught:
        store.delete("a")
    assert str(caught.value).startswith(f"{gcs.url}/a was left as it is: ")
    assert why in str(caught.value)
    assert store.read("a") == DATA
    gcs.fail("metadata", 403)  # who may not look is told by the store's reason
    with pytest.raises(ObjectHeldError, match="the bucket protects it"):
        store.delete("a")
    gcs.content.patch("backups/a", dict(release))
    assert [info.held for info in store.list("")] == [False]
    gcs.fail("delete", 403)  # then the hold is not why
    with pytest.raises(StoreError, match="access was denied"):
        store.delete("a")
    store.delete("a")
    assert not gcs.content.objects


def test_a_hold_set_with_googles_client(gcs: Gcs) -> None:
    store = gcs.store()
    put(store, "a")
    blob = Client(project=None).bucket(gcs.bucket).blob("backups/a")
    blob.temporary_hold = True
    blob.patch()
    with pytest.raises(ObjectHeldError):
        store.delete("a")


def test_who_may_not_delete_is_told_so(gcs: Gcs) -> None:
    store = gcs.store()
    put(store, "a")
    gcs.fail("delete", 403)
    with pytest.raises(StoreError, match="access was denied") as caught:
        store.delete("a")
    assert not isinstance(caught.value, ObjectHeldError)


def test_one_store_serves_many_threads(gcs: Gcs, caplog: pytest.LogCaptureFixture) -> None:
    store = gcs.store()

    def work(number: int) -> bytes:
        put(store, f"t/{number}/a", DATA[number:])
        assert f"t/{number}/a" in {info.name for info in store.list("t/")}
        return store.read(f"t/{number}/a")

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(16) as pool:
        read = list(pool.map(work, range(48)))
    assert read == [DATA[number:] for number in range(48)]
    assert "pool is full" not in caplog.text


def test_the_client_is_made_once_and_only_when_needed(gcs: Gcs) -> None:
    made: list[Client] = []

    def make() -> Client:
        assert store._making.locked()
        made.append(Client(project=None))
        return made[-1]

    store = GcsStore(gcs.bucket, make_client=make, retry=QUICK_RETRY)
    assert store.url == f"gs://{gcs.bucket}"
    assert not made
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: list(store.list("")), range(8)))
    assert len(made) == 1


_STREAM = """
import resource, sys
from agentarmy_ops.stores.gcs import GcsStore
store = GcsStore(sys.argv[1], chunk_bytes=1 << 20)
piece = bytes(64 << 10)
def put(name, pieces):
    with store.create(name) as writer:
        for _ in range(pieces):
            writer.write(piece)
def get(name):
    with store.open(name) as reader:
        while reader.read(64 << 10):
            pass
put("small", 64); get("small")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
put("large", 1024); get("large")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_object(gcs: Gcs) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _STREAM, gcs.bucket], capture_output=True, text=True, check=True
    )
    assert gcs.content.get("large")[1]["size"] == str(64 << 20)
    assert int(result.stdout) < 8 << 10  # KiB


Action = Callable[[GcsStore], object]
ACTIONS: dict[str, Action] = {
    "create": lambda store: put(store, "a"),
    "read": lambda store: store.read("a"),
    "open": lambda store: store.open("a").__enter__(),
    "list": lambda store: list(store.list("")),
    "folders": lambda store: list(store.list_folders("")),
    "delete": lambda store: store.delete("a"),
}


def told(store: GcsStore, action: Action) -> str:
    with pytest.raises(StoreError) as caught:
        action(store)
    assert not isinstance(caught.value, ObjectNotFoundError)
    assert "\n" not in str(caught.value)
    assert store.url in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_a_bucket_that_is_not_there(gcs: Gcs, action: Action) -> None:
    store = GcsStore("no-such-bucket", retry=QUICK_RETRY)
    assert "the bucket does not exist; create it, or correct the URL" in told(store, action)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_no_access(gcs: Gcs, action: Action) -> None:
    gcs.fail("any", 403)
    assert "grant the role that docs/storage.md names" in told(gcs.store(), action)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    assert "there are no Google credentials here" in told(GcsStore("bucket"), action)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_no_connection(monkeypatch: pytest.MonkeyPatch, action: Action) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    message = told(GcsStore("bucket", retry=IMPATIENT), action)
    assert "the connection failed (ConnectionError); check the network" in message


def test_permissions_that_are_missing(gcs: Gcs) -> None:
    assert gcs.store().missing_permissions() == []
    gcs.content.permissions.remove("storage.objects.create")
    assert gcs.store().missing_permissions() == ["storage.objects.create"]


def test_a_sweep_has_nothing_to_do(gcs: Gcs) -> None:
    assert gcs.store().sweep(timedelta(0)) == 0
    assert gcs.requests() == []
