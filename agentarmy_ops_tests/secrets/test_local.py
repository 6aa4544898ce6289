import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import ConfigurationError, SecretError, SecretNotFoundError
from agentarmy_ops.secrets.base import secret_id
from agentarmy_ops.secrets.factory import open_secrets_store
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


@pytest.mark.parametrize("value", ["hunter2", " spaces \n", "ä€\0🔑", "x" * 65_536])
def test_a_secret_is_read_back_as_it_was_set(store: LocalSecretsStore, value: str) -> None:
    store.set(ID, SecretStr(value))
    assert store.get(ID).get_secret_value() == value


def test_the_newest_version_is_read_and_the_others_stay(
    store: LocalSecretsStore, folder: Path
) -> None:
    store.set(ID, SecretStr("old"))
    store.set(ID, SecretStr("new"))
    assert store.get(ID).get_secret_value() == "new"
    assert names(folder) == [f"{ID}.1", f"{ID}.2"]


def test_only_the_owner_may_look(store: LocalSecretsStore, folder: Path) -> None:
    before = os.umask(0)
    try:
        store.set(ID, SecretStr("x"))
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / f"{ID}.1").stat().st_mode & 0o777 == 0o600


def test_delete_leaves_no_copy(store: LocalSecretsStore, folder: Path) -> None:
    store.delete(ID)
    store.set(ID, SecretStr("x"))
    store.set("acme-admin-password-2", SecretStr("y"))
    (folder / f".{ID}.left-by-a-killed-process").write_text("x")
    store.delete(ID)
    store.delete(ID)
    assert names(folder) == ["acme-admin-password-2.1"]
    with pytest.raises(SecretNotFoundError, match=f"no secret {ID}"):
        store.get(ID)


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


@pytest.mark.parametrize(
    "identifier", ["", "../x", "a/b", ".hidden", "-x", "a b", "a\n", "a\0", "x" * 201, "ä"]
)
@pytest.mark.parametrize(
    "act",
    [
        lambda s, i: s.get(i),
        lambda s, i: s.set(i, SecretStr("hunter2")),
        lambda s, i: s.delete(i),
    ],
    ids=["get", "set", "delete"],
)
def test_a_bad_identifier_is_refused(
    store: LocalSecretsStore, act: Callable[[LocalSecretsStore, str], object], identifier: str
) -> None:
    with pytest.raises(SecretError, match="is not a secret's identifier") as caught:
        act(store, identifier)
    assert "hunter2" not in str(caught.value)


def test_a_failed_write_keeps_the_old_version(
    store: LocalSecretsStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set(ID, SecretStr("old"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretError, match="No space left on device; free some space") as caught:
        store.set(ID, SecretStr("hunter2"))
    assert "hunter2" not in str(caught.value)
    monkeypatch.undo()
    assert store.get(ID).get_secret_value() == "old"
    assert names(folder) == [f"{ID}.1"]


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
    with pytest.raises(SecretError, match="is not UTF-8") as caught:
        store.get(ID)
    assert caught.value.__suppress_context__
    with pytest.raises(SecretError, match="is not text"):
        store.set(ID, SecretStr("hunter2\ud800"))


def test_repr_shows_no_value(store: LocalSecretsStore, folder: Path) -> None:
    store.set(ID, SecretStr("hunter2"))
    assert repr(store) == f"LocalSecretsStore({folder.as_uri()})"


def test_open_secrets_store(folder: Path) -> None:
    store = open_secrets_store(folder.as_uri())
    store.set(ID, SecretStr("x"))
    assert (folder / f"{ID}.1").read_text() == "x"
    with pytest.raises(ConfigurationError, match="SECRETS_STORE_URL has the scheme"):
        open_secrets_store("vault://hunter2")
