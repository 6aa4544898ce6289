"""What every secrets store does, asked of each: files, and the real client of Secret Manager."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import SecretStr

from agentarmy_ops.errors import SecretError, SecretExistsError, SecretNotFoundError
from agentarmy_ops.secrets.base import Secret, SecretsStore, secret_id
from agentarmy_ops.secrets.local import LocalSecretsStore

ID = secret_id("acme", "admin-password")
MANY = 8
T = TypeVar("T")


@pytest.fixture(params=["local", "secret_manager"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SecretsStore]:
    """Open the same store once more, as another process would."""
    if request.param == "local":
        return lambda: LocalSecretsStore(tmp_path / "secrets")
    store: Callable[[], SecretsStore] = request.getfixturevalue("secret_manager").store
    return store


@pytest.fixture
def store(opened: Callable[[], SecretsStore]) -> SecretsStore:
    return opened()


def value_of(store: SecretsStore, version: str | None = None) -> str:
    secret = store.access(ID, version)
    assert secret.identifier == ID
    assert version in (None, secret.version)
    return secret.value.get_secret_value()


def at_once(act: Callable[[int], T]) -> list[T]:
    together = threading.Barrier(MANY)

    def run(number: int) -> T:
        together.wait(30)
        return act(number)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


@pytest.mark.parametrize("value", ["hunter2", " spaces \n", "ä€\0🔑", "x" * 65_536])
def test_a_secret_is_read_back_as_it_was_set(store: SecretsStore, value: str) -> None:
    assert store.set(ID, SecretStr(value)) == "1"
    assert store.get(ID) == SecretStr(value)
    assert store.access(ID, "1") == Secret(ID, "1", SecretStr(value))


@pytest.mark.parametrize("value", ["", "x" * 65_537, "ä" * 32_769, "hunter2\ud800"])
@pytest.mark.parametrize("act", ["set", "create"])
def test_what_is_no_value_is_refused(store: SecretsStore, act: str, value: str) -> None:
    with pytest.raises(SecretError, match=r"is not text|would be of \d+ bytes") as caught:
        getattr(store, act)(ID, SecretStr(value))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert list(store.list("")) == []


def test_versions_are_kept_and_the_newest_is_read(
    store: SecretsStore, opened: Callable[[], SecretsStore]
) -> None:
    numbers = [store.set(ID, SecretStr(f"value {n}")) for n in range(1, 12)]
    assert numbers == [str(n) for n in range(1, 12)]
    assert list(store.versions(ID)) == numbers
    assert value_of(opened()) == "value 11"
    assert opened().access(ID).version == "11"
    assert value_of(store, "2") == "value 2"


def test_what_is_not_there(store: SecretsStore) -> None:
    with pytest.raises(SecretNotFoundError, match=f"there is no secret {ID}"):
        store.get(ID)
    with pytest.raises(SecretNotFoundError, match=f"{ID}"):
        store.access(ID, "1")
    assert list(store.versions(ID)) == []
    store.destroy(ID, "1")
    store.delete(ID)
    store.set(ID, SecretStr("x"))
    with pytest.raises(SecretNotFoundError, match=f"{ID}"):
        store.access(ID, "2")
    store.destroy(ID, "2")
    assert store.set(ID, SecretStr("y")) == "2"


def test_a_destroyed_version_is_gone_and_its_number_does_not_come_back(
    store: SecretsStore,
) -> None:
    for value in ("one", "two", "three"):
        store.set(ID, SecretStr(value))
    store.destroy(ID, "3")
    store.destroy(ID, "3")
    store.destroy(ID, "1")
    assert list(store.versions(ID)) == ["2"]
    assert value_of(store) == "two"
    for version in ("1", "3"):
        with pytest.raises(SecretNotFoundError, match=f"{ID}"):
            store.access(ID, version)
    assert store.set(ID, SecretStr("four")) == "4"
    assert value_of(store) == "four"


def test_a_secret_of_destroyed_versions_is_listed_and_not_there(store: SecretsStore) -> None:
    store.set(ID, SecretStr("one"))
    store.destroy(ID, "1")
    with pytest.raises(SecretNotFoundError, match=f"{ID}"):
        store.get(ID)
    assert list(store.versions(ID)) == []
    assert list(store.list("acme-")) == [ID]
    assert store.create(ID, SecretStr("two")) == "2"
    assert value_of(store) == "two"


def test_create_makes_the_first_version_only(store: SecretsStore) -> None:
    assert store.create(ID, SecretStr("one")) == "1"
    with pytest.raises(SecretExistsError, match=f"{ID} is in .* nothing was stored"):
        store.create(ID, SecretStr("two"))
    assert list(store.versions(ID)) == ["1"]
    assert value_of(store) == "one"


@pytest.mark.parametrize("before", ["nothing", "a destroyed version"])
def test_of_many_creators_one_wins(
    store: SecretsStore, opened: Callable[[], SecretsStore], before: str
) -> None:
    if before != "nothing":
        store.destroy(ID, store.set(ID, SecretStr("old")))

    def create(number: int) -> tuple[str, str] | None:
        value = f"value {number}"
        try:
            return opened().create(ID, SecretStr(value)), value
        except SecretExistsError:
            return None

    [(version, value)] = [won for won in at_once(create) if won]
    assert list(store.versions(ID)) == [version]
    assert value_of(store) == value_of(store, version) == value


def test_many_setters_get_a_version_each(
    store: SecretsStore, opened: Callable[[], SecretsStore]
) -> None:
    numbers = at_once(lambda n: opened().set(ID, SecretStr(f"value {n}")))
    assert sorted(numbers) == list(store.versions(ID)) == [str(n) for n in range(1, MANY + 1)]
    assert [value_of(store, v) for v in numbers] == [f"value {n}" for n in range(MANY)]


def test_list(store: SecretsStore) -> None:
    assert list(store.list("")) == []
    names = ["acme-z", "acme-b", "acme-a", "acme-corp-key", "acmeco-key", "x-acme-key", "x_acme-k"]
    for name in names:
        store.set(name, SecretStr("x"))
    store.set("acme-b", SecretStr("y"))
    assert list(store.list("acme-")) == ["acme-a", "acme-b", "acme-corp-key", "acme-z"]
    assert list(store.list("acme-corp-key")) == ["acme-corp-key"]
    assert list(store.list("")) == sorted(names)


def test_delete_erases_all_versions_of_this_secret_alone(store: SecretsStore) -> None:
    for identifier in (ID, ID, f"{ID}-2", "acme-admin"):
        store.set(identifier, SecretStr(f"value of {identifier}"))
    store.delete(ID)
    store.delete(ID)
    with pytest.raises(SecretNotFoundError, match=f"no secret {ID}"):
        store.get(ID)
    with pytest.raises(SecretNotFoundError):
        store.access(ID, "1")
    assert list(store.versions(ID)) == []
    assert list(store.list("")) == ["acme-admin", f"{ID}-2"]
    assert store.get("acme-admin") == SecretStr("value of acme-admin")
    assert store.create(ID, SecretStr("new")) == "1"


@pytest.mark.parametrize(
    "identifier",
    ["", "../x", "a/b", ".hidden", "-x", "a b", "a\n", "a\0", "x" * 201, "ä", "a.1", "*"],
)
@pytest.mark.parametrize(
    "act",
    [
        lambda s, i: s.get(i),
        lambda s, i: s.access(i, "1"),
        lambda s, i: s.set(i, SecretStr("hunter2")),
        lambda s, i: s.create(i, SecretStr("hunter2")),
        lambda s, i: s.versions(i),
        lambda s, i: list(s.list(i or "-")),
        lambda s, i: s.destroy(i, "1"),
        lambda s, i: s.delete(i),
    ],
    ids=["get", "access", "set", "create", "versions", "list", "destroy", "delete"],
)
def test_a_bad_identifier_is_refused(
    store: SecretsStore, act: Callable[[SecretsStore, str], object], identifier: str
) -> None:
    with pytest.raises(SecretError, match="is not a secret's identifier") as caught:
        act(store, identifier)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("version", ["", "0", "01", "-1", "latest", "1/..", "1\n", "\u0661"])
@pytest.mark.parametrize("act", ["access", "destroy"])
def test_a_bad_version_is_refused(store: SecretsStore, act: str, version: str) -> None:
    store.set(ID, SecretStr("x"))
    with pytest.raises(SecretError, match=f"is not a version of secret {ID}"):
        getattr(store, act)(ID, version)
    assert list(store.versions(ID)) == ["1"]


def test_no_value_is_shown(store: SecretsStore) -> None:
    store.set(ID, SecretStr("hunter2"))
    assert "hunter2" not in f"{store!r} {store.access(ID)!r} {store.access(ID)}"
