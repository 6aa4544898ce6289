"""How secrets lie in files."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import SecretError, SecretNotFoundError
from agentarmy_ops.secrets.base import secret_id
from agentarmy_ops.secrets.local import LocalSecretsStore

ID = secret_id("acme", "admin-password")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


@pytest.fixture
def store(folder: Path) -> LocalSecretsStore:
    return LocalSecretsStore(folder)


def test_a_file_for_each_version(store: LocalSecretsStore, folder: Path) -> None:
    store.set(ID, SecretStr("old"))
    store.set(ID, SecretStr("new"))
    assert names(folder) == [f"{ID}.1", f"{ID}.2"]
    assert (folder / f"{ID}.2").read_text() == "new"


def test_only_the_owner_may_look(store: LocalSecretsStore, folder: Path) -> None:
    before = os.umask(0)
    try:
        store.set(ID, SecretStr("x"))
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / f"{ID}.1").stat().st_mode & 0o777 == 0o600


def test_destroy_leaves_no_copy(store: LocalSecretsStore, folder: Path) -> None:
    for value in ("one", "two"):
        store.set(ID, SecretStr(value))
    # Of a process killed right after it had linked the version, and of one that has not yet.
    (folder / f".{ID}.killed").hardlink_to(folder / f"{ID}.1")
    (folder / f".{ID}.under-way").write_text("three")
    with (folder / f"{ID}.1").open() as opened:
        store.destroy(ID, "1")
        assert os.fstat(opened.fileno()).st_nlink == 0
    assert names(folder) == [f".{ID}.under-way", f"{ID}.1", f"{ID}.2"]
    assert (folder / f"{ID}.1").read_bytes() == b""
    assert (folder / f"{ID}.1").stat().st_mode & 0o777 == 0o600


def test_delete_leaves_no_copy(store: LocalSecretsStore, folder: Path) -> None:
    store.set(ID, SecretStr("x"))
    store.destroy(ID, store.set(ID, SecretStr("y")))
    store.set("acme-admin-password-2", SecretStr("y"))
    (folder / f".{ID}.left-by-a-killed-process").write_text("x")
    store.delete(ID)
    assert names(folder) == ["acme-admin-password-2.1"]


def test_a_deletion_that_is_killed_never_lets_an_older_version_be_the_newest(
    store: LocalSecretsStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 12):
        store.set(ID, SecretStr(f"value {number}"))
    unlink = Path.unlink
    left = 10

    def dying(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", dying)
    with pytest.raises(KeyboardInterrupt):
        store.delete(ID)
    assert store.get(ID) == SecretStr("value 11")
    assert names(folder) == [f"{ID}.11"]


def test_other_files_are_no_versions(store: LocalSecretsStore, folder: Path) -> None:
    folder.mkdir()
    for name in (
        ID,
        f"{ID}.0",
        f"{ID}.01",
        f"{ID}.txt",
        f"{ID}.2.bak",
        f"{ID}.٣",
        ".7",
        f".{ID}.7",
    ):
        (folder / name).write_text("hunter2")
    assert (list(store.list("")), list(store.versions(ID))) == ([], [])
    with pytest.raises(SecretNotFoundError):
        store.get(ID)
    assert store.create(ID, SecretStr("x")) == "1"


def test_a_reader_never_sees_half_a_secret(store: LocalSecretsStore) -> None:
    values = ["a" * 50_000, "b" * 50_000]
    store.set(ID, SecretStr(values[0]))
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            store.set(ID, SecretStr(values[turn % 2]))
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not done.is_set() and not writing.done():
            assert store.get(ID).get_secret_value() in values
        writing.result()


def test_a_failed_write_leaves_what_was(
    store: LocalSecretsStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set(ID, SecretStr("old"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretError, match="No space left on device; free some space") as caught:
        store.set(ID, SecretStr("hunter2"))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SecretError, match=f"cannot destroy secret {ID}"):
        store.destroy(ID, "1")
    monkeypatch.undo()
    assert store.get(ID).get_secret_value() == "old"
    assert names(folder) == [f"{ID}.1"]


def test_what_is_written_is_durable(
    store: LocalSecretsStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.split(".")[0])
        fsync(descriptor)

    store.set(ID, SecretStr("x"))
    monkeypatch.setattr(os, "fsync", note)
    for act in (
        lambda: store.set(ID, SecretStr("y")),
        lambda: store.destroy(ID, "2"),
        lambda: store.delete(ID),
    ):
        act()
        synced.append("|")
    # Partial files begin with a dot; the folder is synced after its entries have changed.
    assert synced == ["", "secrets", "|", "", "secrets", "|", "secrets", "|"]


def test_a_link_is_not_followed(store: LocalSecretsStore, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "elsewhere").write_text("x")
    (folder / f"{ID}.1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretError, match="links are not followed"):
        store.get(ID)


def test_a_file_that_is_not_text_does_not_show_itself(
    store: LocalSecretsStore, folder: Path
) -> None:
    folder.mkdir()
    (folder / f"{ID}.1").write_bytes(b"hunter2\xff")
    with pytest.raises(SecretError, match="version 1, is not UTF-8") as caught:
        store.get(ID)
    assert caught.value.__suppress_context__


def test_repr_is_the_url(store: LocalSecretsStore, folder: Path) -> None:
    assert repr(store) == f"LocalSecretsStore({folder.as_uri()})"
