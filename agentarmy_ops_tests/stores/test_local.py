"""What is particular to a store in a folder."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agentarmy_ops.errors import ObjectExistsError, StoreError
from agentarmy_ops.stores.local import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def put(store: LocalStore, name: str, data: bytes = b"data") -> None:
    with store.create(name) as writer:
        writer.write(data)


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_only_the_owner_may_look(store: LocalStore, root: Path) -> None:
    before = os.umask(0)
    try:
        put(store, "a/b")
    finally:
        os.umask(before)
    assert (root / "a" / "b").stat().st_mode & 0o777 == 0o600
    for folder in (root, root / "a", root / ".partial"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_partial_is_left_by_success_or_failure(store: LocalStore, root: Path) -> None:
    put(store, "a/b")
    with pytest.raises(KeyboardInterrupt), store.create("a/c") as writer:
        writer.write(b"x")
        assert len(files(root)) == 2
        raise KeyboardInterrupt
    assert files(root) == ["a/b"]


def test_bytes_and_names_are_durable_before_the_block_ends(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, str]] = []
    fsync, link = os.fsync, os.link

    def recording_fsync(descriptor: int) -> None:
        events.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def recording_link(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        events.append(("link", target))
        link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "link", recording_link)
    put(store, "a/b/c")
    linked = events.index(("link", "c"))
    before, after = events[:linked], events[linked + 1 :]
    assert any(path.startswith(f"{root}/.partial/") for _, path in before)
    # Each folder that was made is fsynced in the one above it, the object in its own.
    for folder in (root.parent.parent, root.parent, root, root / "a"):
        assert ("fsync", str(folder)) in before
    assert after == [("fsync", str(root / "a" / "b"))]


def test_what_a_killed_process_left_is_never_listed_and_can_be_swept(
    store: LocalStore, root: Path
) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from agentarmy_ops.stores.local import LocalStore\n"
        "with LocalStore(pathlib.Path(sys.argv[1])).create('a/b') as writer:\n"
        "    writer.write(b'x' * 5_000_000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    child = subprocess.run([sys.executable, "-c", script, str(root)], check=False)
    assert child.returncode == -signal.SIGKILL
    [left] = files(root)
    assert left.startswith(".partial/")
    assert list(store.list("")) == []
    assert list(store.list_folders("")) == []
    with store.create("a/b") as writer:
        writer.write(b"whole")
        assert store.sweep(timedelta(hours=1)) == 0  # both may still be growing
        os.utime(root / left, (0, 0))
        assert store.sweep(timedelta(hours=1)) == 1
    assert store.read("a/b") == b"whole"
    assert files(root) == ["a/b"]


def test_sweeping_a_store_that_does_not_exist(store: LocalStore, root: Path) -> None:
    assert store.sweep(timedelta(0)) == 0
    assert not root.exists()


def test_a_link_does_not_lead_out_of_the_store(store: LocalStore, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir(parents=True)
    (outside / "secret").write_bytes(b"secret")
    put(store, "a/b")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for name in ("folder/secret", "file"):
        with pytest.raises(StoreError, match="symbolic link is in the way"):
            store.read(name)
    with pytest.raises(StoreError, match="symbolic link is in the way"):
        put(store, "folder/new")
    with pytest.raises(StoreError, match="symbolic link is in the way"):
        store.delete("folder/secret")
    with pytest.raises(ObjectExistsError):
        put(store, "file")
    assert [info.name for info in store.list("")] == ["a/b"]
    assert [info.name for info in store.list("folder/")] == []
    assert list(store.list_folders("")) == ["a"]
    assert files(outside) == ["secret"]


def test_a_link_for_partial_files_is_refused(store: LocalStore, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir(parents=True)
    root.mkdir()
    (root / ".partial").symlink_to(outside)
    with pytest.raises(StoreError, match="symbolic link"):
        put(store, "a/b")
    assert files(outside) == []


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store = LocalStore(tmp_path / "store")
    put(store, "a/b", b"x")
    assert (tmp_path / "disk" / "a" / "b").read_bytes() == b"x"


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Let the kernel refuse larger files: a full disk that needs no disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [500_000, 5_000_000])  # refused at the end, and on the way
def test_a_disk_that_takes_no_more_is_one_clear_line(
    store: LocalStore, root: Path, size: int
) -> None:
    with file_size_limit(100_000), pytest.raises(StoreError) as caught:
        put(store, "a/b", b"x" * size)
    message = str(caught.value)
    assert str(root / "a" / "b") in message
    assert "File too large; raise the file size limit" in message
    assert "\n" not in message
    assert files(root) == []


def test_a_name_that_cannot_be_made_durable_is_taken_back(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "a/other")
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == root / "a":
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreError, match="Input/output error; check that folder and its disk"):
        put(store, "a/b")
    assert files(root) == ["a/other"]


def test_a_file_in_the_way(store: LocalStore, root: Path) -> None:
    put(store, "a")
    with pytest.raises(StoreError, match="a file or a symbolic link is in the way"):
        put(store, "a/b")
    with pytest.raises(StoreError, match="a file or a symbolic link is in the way"):
        list(LocalStore(root / "a").list_folders(""))


def test_a_name_longer_than_the_file_system_allows(store: LocalStore) -> None:
    with pytest.raises(StoreError, match="use a shorter name"):
        put(store, "a/" + "b" * 300)


def test_url(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "with space")
    assert store.url == f"file://{tmp_path}/with%20space"
    assert repr(store) == f"LocalStore({store.url})"
