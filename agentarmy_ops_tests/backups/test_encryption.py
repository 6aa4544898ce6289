"""Archives on their way through zstd and age, to a store and back; no database."""

import gc
import hashlib
import io
import os
import random
import shutil
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard
from pyrage.x25519 import Identity

from agentarmy_ops.backups.encryption import decrypt, decrypted, encrypt
from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.keys_format import new_identity
from agentarmy_ops.backups.manifest import ArchiveFacts, Encryption
from agentarmy_ops.backups.pipeline import HELD_BYTES, ArchiveWriter, open_archive
from agentarmy_ops.backups.reference import BackupRef
from agentarmy_ops.errors import ArchiveError, StoreError
from agentarmy_ops.stores.base import ObjectWriter, Store
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops_tests.backups.damage import BrokenOnRead

KEY, KEY_FILE = new_identity()
RECIPIENT = str(KEY.to_public())
ENCRYPTION = Encryption(recipients=(RECIPIENT,), secret="acme-backup-key", version="1")
REF = BackupRef("acme", "20261123T021503Z-7f3a9c")
MIB = 1 << 20
CHUNK = 64 * 1024
DISK_FULL, RESET = r"^the disk is full$", r"^the connection was reset$"
TAG = 16
needs_age = pytest.mark.skipif(not shutil.which("age"), reason="the program age is not installed")


def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - noise, that zstd cannot shorten


def _encrypted(plain: bytes, *recipients: str) -> bytes:
    found: list[bytes] = []
    encrypt(io.BytesIO(plain), recipients or (RECIPIENT,), found.append)
    return b"".join(found)


def _decrypted(stored: bytes, identity: Identity = KEY) -> bytes:
    with decrypted(io.BytesIO(stored), [identity]) as stream:
        return stream.read()


def _write(store: Store, plain: bytes, encryption: Encryption | None = ENCRYPTION) -> ArchiveFacts:
    with ArchiveWriter(store, REF, 3, encryption=encryption) as writer:
        for start in range(0, len(plain), 300_000):
            writer.write(memoryview(plain)[start : start + 300_000])
        return writer.finish()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """What decrypts the archives of this module."""
    path = tmp_path / "key.txt"
    path.write_text(KEY_FILE.get_secret_value())
    return Keys(identity_file=path)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """No thread and no descriptor is left of what a test did."""
    gc.collect()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    # Fewer is no fault: what earlier tests left may have gone.
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * MIB + 5]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_encrypted_is_decrypted(size: int, leaves_nothing: None) -> None:
    plain = _noise(size)
    assert _decrypted(_encrypted(plain)) == plain


def _age(*arguments: str | Path, data: bytes) -> bytes:
    return subprocess.run(["age", *arguments], input=data, capture_output=True, check=True).stdout


@needs_age
@pytest.mark.parametrize("size", SIZES)
def test_the_stock_program_decrypts_what_we_wrote(size: int, tmp_path: Path) -> None:
    plain = _noise(size)
    key = tmp_path / "key.txt"
    key.write_text(KEY_FILE.get_secret_value())
    assert _age("-d", "-i", key, data=_encrypted(plain)) == plain


@needs_age
@pytest.mark.parametrize("size", SIZES)
def test_we_decrypt_what_the_stock_program_wrote(size: int) -> None:
    plain = _noise(size)
    assert _decrypted(_age("-r", RECIPIENT, data=plain)) == plain


def test_each_recipient_decrypts_and_nobody_else() -> None:
    other, stranger = Identity.generate(), Identity.generate()
    stored = _encrypted(b"rows", RECIPIENT, str(other.to_public()))
    assert _decrypted(stored) == _decrypted(stored, other) == b"rows"
    with pytest.raises(ArchiveError, match="the stored object is damaged: age says: No matching"):
        _decrypted(stored, stranger)


def _boundaries(stored: bytes) -> list[int]:
    """Lengths at which a file of age may be cut: within its header, after it, after the nonce, and
    at, before and after the end of each chunk."""
    payload = stored.index(b"\n", stored.index(b"\n---") + 1) + 1 + TAG
    ends = range(payload, len(stored), CHUNK + TAG)
    near = {end + offset for end in ends for offset in (-1, 0, 1)}
    return sorted({0, 5, payload // 2, payload - TAG, len(stored) - 1, *near} - {len(stored)})


@pytest.mark.parametrize("size", [0, 100, CHUNK, 3 * CHUNK, 3 * CHUNK + 7])
def test_a_cut_is_noticed_wherever_it_is(size: int, leaves_nothing: None) -> None:
    stored = _encrypted(_noise(size))
    for length in _boundaries(stored):
        with pytest.raises(ArchiveError, match="the stored object is damaged: age says: "):
            _decrypted(stored[:length])


def test_a_flipped_bit_is_noticed_wherever_it_is() -> None:
    stored = _encrypted(_noise(2 * CHUNK + 100))
    for position in (0, 30, 60, 150, *_boundaries(stored)[3:]):
        damaged = bytearray(stored)
        damaged[position] ^= 1
        with pytest.raises(ArchiveError, match="the stored object is damaged: age says: "):
            _decrypted(bytes(damaged))


def test_bytes_after_the_end_are_noticed() -> None:
    for size in (0, 5, CHUNK):
        with pytest.raises(ArchiveError, match="damaged"):
            _decrypted(_encrypted(_noise(size)) + b"x")


def test_a_chunk_that_was_swapped_is_noticed() -> None:
    stored = _encrypted(_noise(3 * CHUNK))
    first = stored.index(b"\n", stored.index(b"\n---") + 1) + 1 + TAG
    second, third = first + CHUNK + TAG, first + 2 * (CHUNK + TAG)
    swapped = stored[:first] + stored[second:third] + stored[first:second] + stored[third:]
    with pytest.raises(ArchiveError, match="damaged"):
        _decrypted(swapped)


class _Failing:
    """A stream that fails with an error of its own after some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        if data := self._data.read(size):
            return data
        raise StoreError("the connection was reset")


def test_a_readers_own_error_comes_through(leaves_nothing: None) -> None:
    with pytest.raises(StoreError, match=RESET) as raised:
        encrypt(_Failing(_noise(CHUNK)), [RECIPIENT], lambda _: None)
    assert raised.value.__cause__ is None
    with pytest.raises(StoreError, match=RESET):
        decrypt(_Failing(_encrypted(_noise(3 * CHUNK))[:CHUNK]), [KEY], lambda _: None)
    stored = _encrypted(_noise(3 * CHUNK))
    with (
        decrypted(_Failing(stored[: 2 * CHUNK]), [KEY]) as stream,
        pytest.raises(StoreError, match=RESET),
    ):
        stream.read()


def test_a_reader_may_stop_early(leaves_nothing: None) -> None:
    stored = _encrypted(_noise(8 * MIB))
    source = io.BytesIO(stored)
    with decrypted(source, [KEY]) as stream:
        assert stream.read(10) == _noise(8 * MIB)[:10]
    assert source.tell() < len(stored)  # nor is the rest read in vain


# The archive's size: within what is held, just beyond, and many times a pipe's.
ARCHIVES = [0, 1000, HELD_BYTES - 1000, HELD_BYTES + 1000, 3 * HELD_BYTES]


@pytest.mark.parametrize("encryption", [None, ENCRYPTION], ids=["plain", "encrypted"])
@pytest.mark.parametrize("size", ARCHIVES)
def test_an_archive_comes_back(
    size: int, encryption: Encryption | None, store: LocalStore, keys: Keys, leaves_nothing: None
) -> None:
    plain = _noise(size)
    facts = _write(store, plain, encryption)
    (item,) = store.list("")
    assert item.name == facts.object_name == (REF.encrypted_archive if encryption else REF.archive)
    stored = store.read(item.name)
    assert (facts.stored_bytes, facts.plain_bytes) == (len(stored), size)
    assert facts.sha256 == hashlib.sha256(stored).hexdigest()
    assert facts.encryption == encryption
    seen: list[bytes] = []
    with open_archive(store, facts, keys, lambda data: seen.append(bytes(data))) as opened:
        archive, measure = opened
        assert archive.read() == plain
    assert b"".join(seen) == plain
    assert (measure.size, measure.sha256) == (facts.stored_bytes, facts.sha256)
    if encryption:
        assert stored.startswith(b"age-encryption.org/v1\n")
        stored = _decrypted(stored)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(stored) == plain


@pytest.mark.parametrize("size", ARCHIVES[1:])
def test_a_damaged_archive_is_read_and_measured_to_its_end(
    size: int, store: LocalStore, keys: Keys, tmp_path: Path, leaves_nothing: None
) -> None:
    facts = _write(store, _noise(size))
    path = tmp_path / "store" / facts.object_name
    stored = path.read_bytes()
    for damaged in (
        stored[: len(stored) // 2],
        stored[:-1],
        stored[:50] + b"?" + stored[51:],
        stored[:-5] + b"?" + stored[-4:],
        stored + b"?",
    ):
        path.write_bytes(damaged)
        with (
            open_archive(store, facts, keys, lambda _: None) as (archive, measure),
            pytest.raises(ArchiveError, match="the stored object is damaged"),
        ):
            archive.read()
        assert (measure.size, measure.sha256) == (len(damaged), hashlib.sha256(damaged).hexdigest())


def test_a_store_that_fails_while_it_is_read(
    store: LocalStore, keys: Keys, leaves_nothing: None
) -> None:
    facts = _write(store, _noise(3 * HELD_BYTES))
    broken = cast("Store", BrokenOnRead(store, 5 * MIB))
    with pytest.raises(StoreError, match="the connection was reset"):  # noqa: SIM117
        with open_archive(broken, facts, keys, lambda _: None) as (archive, _):
            archive.read()


def test_a_reader_that_fails_leaves_nothing_and_reads_to_the_end(
    store: LocalStore, keys: Keys, leaves_nothing: None
) -> None:
    facts = _write(store, _noise(3 * HELD_BYTES))
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117
        with open_archive(store, facts, keys, lambda _: None) as (archive, measure):
            archive.read(10)
            raise ZeroDivisionError
    assert (measure.size, measure.sha256) == (facts.stored_bytes, facts.sha256)


class _FailingStore:
    """A store that takes ``limit`` bytes of an object and then fails, at the latest at its end."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def create(self, name: str) -> Iterator[ObjectWriter]:
        with self._store.create(name) as writer:
            self._left, self._writer = self._limit, writer
            yield self
            raise StoreError("the disk is full")

    def write(self, data: bytes | memoryview, /) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise StoreError("the disk is full")
        return self._writer.write(data)


@pytest.mark.parametrize("limit", [0, 200, 2 * MIB, 6 * MIB, 100 * MIB])
@pytest.mark.parametrize("size", [1000, 2 * HELD_BYTES])
def test_a_store_that_fails_is_heard_and_nothing_is_left(
    size: int, limit: int, store: LocalStore, tmp_path: Path, leaves_nothing: None
) -> None:
    failing = cast("Store", _FailingStore(store, limit))
    with pytest.raises(StoreError, match=DISK_FULL):
        _write(failing, _noise(size))
    assert list(store.list("")) == []
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_store_that_failed_is_heard_at_the_next_piece(
    store: LocalStore, leaves_nothing: None
) -> None:
    """Not only at the end: nobody dumps for hours into a store that is gone."""
    piece = memoryview(_noise(MIB))
    written = 0
    with ArchiveWriter(
        cast("Store", _FailingStore(store, 0)), REF, 1, encryption=ENCRYPTION
    ) as writer:
        with pytest.raises(StoreError, match=DISK_FULL):
            for _ in range(100):
                writer.write(piece)
                written += len(piece)
        assert written < HELD_BYTES + 5 * MIB
        with pytest.raises(StoreError, match=DISK_FULL):
            writer.finish()


@pytest.mark.parametrize("size", [1000, 3 * HELD_BYTES])
def test_an_abandoned_archive_leaves_nothing(
    size: int, store: LocalStore, tmp_path: Path, leaves_nothing: None
) -> None:
    with ArchiveWriter(store, REF, 3, encryption=ENCRYPTION) as writer:
        writer.write(memoryview(_noise(size)))
        writer.abandon()
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117
        with ArchiveWriter(store, REF, 3, encryption=ENCRYPTION) as writer:
            writer.write(memoryview(_noise(size)))
            raise ZeroDivisionError
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_memory_is_bounded_both_ways(store: LocalStore, keys: Keys) -> None:
    """What Python allocates for 64 MiB stays below 20 (4 held, a pipe's and buffers of 1 MiB)."""
    tracemalloc.start()
    try:
        with ArchiveWriter(store, REF, 1, encryption=ENCRYPTION) as writer:
            piece = memoryview(_noise(MIB))  # beyond what zstd at this level looks back
            for _ in range(64):
                writer.write(piece)
            facts = writer.finish()
        with open_archive(store, facts, keys, lambda _: None) as (archive, _):
            while archive.read(MIB):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * MIB
