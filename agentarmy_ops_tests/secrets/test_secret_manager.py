"""What is Secret Manager's own: states, permissions, faults, and who was killed in between."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import secretmanager_v1 as api
from google.rpc.error_details_pb2 import ErrorInfo
from grpc import StatusCode
from pydantic import SecretStr

from agentarmy_ops.doctor.secrets_store import check_secrets_store
from agentarmy_ops.errors import SecretError, SecretExistsError, SecretNotFoundError
from agentarmy_ops.secrets.base import SecretsStore
from agentarmy_ops.secrets.google_call import ACCESS, Attempts, call
from agentarmy_ops.secrets.secret_manager import GoogleSecretManagerStore
from agentarmy_ops_tests.fix_secrets import PROJECT, Kept, SecretManager, Version

ID = "acme-backup-key"
URL = f"sm://{PROJECT}"
State = api.SecretVersion.State

ACTS: dict[str, Callable[[SecretsStore], object]] = {
    "AccessSecretVersion": lambda s: s.get(ID),
    "ListSecretVersions": lambda s: s.versions(ID),
    "ListSecrets": lambda s: list(s.list("acme-")),
    "AddSecretVersion": lambda s: s.set(ID, SecretStr("hunter2")),
    "CreateSecret": lambda s: s.create("acme-new", SecretStr("hunter2")),
    "DestroySecretVersion": lambda s: s.destroy(ID, "1"),
    "DeleteSecret": lambda s: s.delete(ID),
}


@pytest.fixture
def kept(secret_manager: SecretManager) -> Kept:
    """A secret with one version."""
    secret_manager.secrets[ID] = Kept({}, {1: Version(b"one")})
    return secret_manager.secrets[ID]


def state_of(kept: Kept) -> dict[int, str]:
    return {number: version.state.name for number, version in kept.versions.items()}


# --- states ----------------------------------------------------------------------------


def test_a_secret_says_who_manages_it(secret_manager: SecretManager) -> None:
    secret_manager.store().set(ID, SecretStr("x"))
    assert secret_manager.secrets[ID].labels == {"managed-by": "agentarmy-ops"}


@pytest.mark.parametrize("state", [State.DISABLED, State.DESTROYED])
def test_the_newest_that_is_enabled_is_read(
    secret_manager: SecretManager, kept: Kept, state: Any
) -> None:
    for number in range(2, 12):
        kept.versions[number] = Version(b"%d" % number)
    kept.versions[11].state = kept.versions[3].state = state
    store = secret_manager.store()
    assert store.access(ID).version == "10"
    assert store.get(ID) == SecretStr("10")
    assert store.versions(ID) == ["1", "2", *(str(n) for n in range(4, 11))]
    with pytest.raises(SecretNotFoundError, match=f"no enabled version 3 of secret {ID} in {URL}"):
        store.access(ID, "3")


def test_none_is_enabled(secret_manager: SecretManager, kept: Kept) -> None:
    kept.versions[1].state = State.DISABLED
    with pytest.raises(SecretNotFoundError, match=f"no enabled version of secret {ID}"):
        secret_manager.store().get(ID)


@pytest.mark.parametrize("version", [None, "1"])
def test_an_enabled_version_that_is_refused_is_not_taken_for_none(
    secret_manager: SecretManager, kept: Kept, version: str | None
) -> None:
    secret_manager.fail(
        "AccessSecretVersion",
        StatusCode.FAILED_PRECONDITION,
        times=2,
        details="The Cloud KMS key is disabled.",
    )
    with pytest.raises(SecretError, match=r"The Cloud KMS key is disabled\.$") as caught:
        secret_manager.store().access(ID, version)
    assert not isinstance(caught.value, SecretNotFoundError)


def test_a_disabled_secret_is_not_made_again(secret_manager: SecretManager, kept: Kept) -> None:
    kept.versions[1].state = State.DISABLED
    with pytest.raises(SecretExistsError):
        secret_manager.store().create(ID, SecretStr("new"))
    assert state_of(kept) == {1: "DISABLED"}


def test_delayed_destruction_is_not_taken_for_destruction(
    secret_manager: SecretManager, kept: Kept
) -> None:
    kept.delays_destruction = True
    store = secret_manager.store()
    with pytest.raises(SecretError, match=r"version 1 .* is DISABLED, not DESTROYED: take"):
        store.destroy(ID, "1")
    store.delete(ID)
    assert ID not in secret_manager.secrets


def test_destroying_what_cannot_be_destroyed_is_an_error(
    secret_manager: SecretManager, kept: Kept
) -> None:
    secret_manager.fail("DestroySecretVersion", StatusCode.FAILED_PRECONDITION)
    with pytest.raises(SecretError, match="is ENABLED, not DESTROYED"):
        secret_manager.store().destroy(ID, "1")


# --- who makes a secret ----------------------------------------------------------------


def test_a_maker_that_was_killed_before_the_first_version(secret_manager: SecretManager) -> None:
    secret_manager.secrets[ID] = Kept({})
    store = secret_manager.store(patience_seconds=0)
    with pytest.raises(SecretNotFoundError):
        store.get(ID)
    assert store.versions(ID) == []
    assert store.create(ID, SecretStr("mine")) == "1"
    assert store.get(ID) == SecretStr("mine")


def test_a_maker_that_is_slow_is_waited_for(secret_manager: SecretManager) -> None:
    secret_manager.secrets[ID] = Kept({})
    looks = 0

    def add_at_the_second_look(method: str) -> None:
        nonlocal looks
        looks += method == "ListSecretVersions"
        if looks == 2:
            secret_manager.secrets[ID].versions[1] = Version(b"theirs")

    secret_manager.before = add_at_the_second_look
    with pytest.raises(SecretExistsError, match=f"{ID} is in {URL} already"):
        secret_manager.store().create(ID, SecretStr("mine"))
    assert "AddSecretVersion" not in secret_manager.calls
    assert secret_manager.store().get(ID) == SecretStr("theirs")


def test_lists_that_lag_behind_do_not_make_a_second_first_version(
    secret_manager: SecretManager,
) -> None:
    secret_manager.secrets[ID] = Kept({})
    secret_manager.lag()
    secret_manager.secrets[ID].versions[1] = Version(b"theirs")
    store = secret_manager.store(patience_seconds=0)
    assert store.versions(ID) == []
    with pytest.raises(SecretExistsError):
        store.create(ID, SecretStr("mine"))
    assert "AddSecretVersion" not in secret_manager.calls


def test_of_two_who_take_over_the_lower_number_wins(secret_manager: SecretManager) -> None:
    secret_manager.secrets[ID] = Kept({})
    secret_manager.lag()
    both = threading.Barrier(2)

    def meet(method: str) -> None:
        if method == "AddSecretVersion":
            both.wait(30)

    secret_manager.before = meet

    def create(value: str) -> str | None:
        store = secret_manager.store(patience_seconds=0)
        try:
            return store.create(ID, SecretStr(value))
        except SecretExistsError:
            return None

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(create, ["a", "b"]))
    assert sorted(won, key=str) == ["1", None]
    kept = secret_manager.secrets[ID]
    assert state_of(kept) == {1: "ENABLED", 2: "DESTROYED"}
    assert kept.versions[1].data.decode() == ("a" if won[0] else "b")


def test_a_maker_that_is_overtaken_gives_way(secret_manager: SecretManager) -> None:
    """It made the secret, and fell asleep for so long that another added the version."""

    def overtake(method: str) -> None:
        if method == "AddSecretVersion":
            for number in (1, 2):
                secret_manager.secrets[ID].versions[number] = Version(b"theirs")

    secret_manager.before = overtake
    with pytest.raises(SecretExistsError):
        secret_manager.store().create(ID, SecretStr("mine"))
    assert state_of(secret_manager.secrets[ID]) == {1: "ENABLED", 2: "ENABLED", 3: "DESTROYED"}


@pytest.mark.parametrize("method", ["CreateSecret", "AddSecretVersion"])
def test_create_when_the_reply_is_lost(secret_manager: SecretManager, method: str) -> None:
    secret_manager.fail(method, StatusCode.UNAVAILABLE, done=True)
    store = secret_manager.store(patience_seconds=0)
    assert store.create(ID, SecretStr("mine")) == "1"
    assert store.versions(ID) == ["1"]
    assert store.get(ID) == SecretStr("mine")


def test_who_comes_second_with_the_same_value_comes_second(secret_manager: SecretManager) -> None:
    def overtake(method: str) -> None:
        if method == "AddSecretVersion":
            secret_manager.secrets[ID].versions[1] = Version(b"same")

    secret_manager.before = overtake
    with pytest.raises(SecretExistsError):
        secret_manager.store().create(ID, SecretStr("same"))


def test_a_lost_reply_and_a_lost_race_leave_nothing(secret_manager: SecretManager) -> None:
    adds = 0

    def overtake(method: str) -> None:
        nonlocal adds
        adds += method == "AddSecretVersion"
        if adds == 1:
            secret_manager.secrets[ID].versions[1] = Version(b"theirs")

    secret_manager.before = overtake
    secret_manager.fail("AddSecretVersion", StatusCode.DEADLINE_EXCEEDED, done=True)
    with pytest.raises(SecretExistsError):
        secret_manager.store().create(ID, SecretStr("mine"))
    assert state_of(secret_manager.secrets[ID]) == {1: "ENABLED", 2: "DESTROYED", 3: "DESTROYED"}


# --- faults ----------------------------------------------------------------------------

TRANSIENT = [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED]


@pytest.mark.parametrize("code", TRANSIENT)
@pytest.mark.parametrize("method", ACTS)
def test_transient_faults_are_tried_again(
    secret_manager: SecretManager, kept: Kept, method: str, code: StatusCode
) -> None:
    secret_manager.fail(method, code, times=3)
    ACTS[method](secret_manager.store())
    assert secret_manager.calls.count(method) == 4


@pytest.mark.parametrize("method", ACTS)
def test_a_fault_that_stays(secret_manager: SecretManager, kept: Kept, method: str) -> None:
    secret_manager.fail(method, StatusCode.UNAVAILABLE, times=10**6)
    store = secret_manager.store(attempts=Attempts(seconds=0.05, first_wait_seconds=0.001))
    with pytest.raises(SecretError, match=rf"in {URL}: UNAVAILABLE.*; try again later$") as caught:
        ACTS[method](store)
    assert "\n" not in str(caught.value)
    assert secret_manager.calls.count(method) > 1


@pytest.mark.parametrize("method", ACTS)
def test_other_faults_are_not_tried_again(
    secret_manager: SecretManager, kept: Kept, method: str
) -> None:
    secret_manager.fail(method, StatusCode.INTERNAL, times=2, details="one line\nand another")
    with pytest.raises(SecretError, match=r"INTERNAL") as caught:
        ACTS[method](secret_manager.store())
    assert "\n" not in str(caught.value)
    assert ("one line" in str(caught.value)) == (method != "AddSecretVersion")
    assert secret_manager.calls.count(method) == 1


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("method", ["DestroySecretVersion", "DeleteSecret"])
def test_erasing_when_the_reply_is_lost(
    secret_manager: SecretManager, kept: Kept, method: str, done: bool
) -> None:
    secret_manager.fail(method, StatusCode.UNAVAILABLE, done=done)
    ACTS[method](secret_manager.store())
    assert state_of(kept) == {1: "DESTROYED" if method == "DestroySecretVersion" else "ENABLED"}
    assert (ID in secret_manager.secrets) == (method == "DestroySecretVersion")


def test_a_value_that_arrives_damaged_is_not_used(
    secret_manager: SecretManager, kept: Kept
) -> None:
    secret_manager.damaged = True
    with pytest.raises(SecretError, match=f"version 1 of secret {ID} arrived damaged from {URL}"):
        secret_manager.store().get(ID)


# --- who may ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "permission", "role"),
    [
        ("AccessSecretVersion", "versions.access", "secretAccessor"),
        ("ListSecretVersions", "versions.list", "viewer"),
        ("ListSecrets", "secrets.list", "viewer"),
        ("AddSecretVersion", "versions.add", "secretVersionAdder"),
        ("CreateSecret", "secrets.create", "admin"),
        ("DestroySecretVersion", "versions.destroy", "secretVersionManager"),
        ("DeleteSecret", "secrets.delete", "admin"),
    ],
)
def test_a_permission_that_is_missing_is_named(
    secret_manager: SecretManager, kept: Kept, method: str, permission: str, role: str
) -> None:
    secret_manager.denied = {permission}
    with pytest.raises(SecretError) as caught:
        ACTS[method](secret_manager.store())
    message = str(caught.value)
    assert f"secretmanager.{permission} is denied" in message
    assert f"roles/secretmanager.{role} has it" in message
    assert "acme-" in message
    assert PROJECT in message


def test_the_state_of_a_version_may_be_denied(secret_manager: SecretManager, kept: Kept) -> None:
    kept.versions[1].state = State.DESTROYED
    secret_manager.denied = {"versions.get"}
    with pytest.raises(SecretError, match=r"secretmanager\.versions\.get is denied"):
        secret_manager.store().destroy(ID, "1")


@pytest.mark.parametrize(
    "act",
    [lambda s: s.set(ID, SecretStr("x")), lambda s: list(s.list("")), ACTS["CreateSecret"]],
)
def test_a_project_that_is_not_there(
    secret_manager: SecretManager, act: Callable[[SecretsStore], object]
) -> None:
    store = GoogleSecretManagerStore("elsewhere", client=secret_manager.client)
    with pytest.raises(SecretError, match="there is no project elsewhere; correct the sm:// URL"):
        act(store)


def test_without_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    missing = tmp_path_factory.mktemp("none") / "key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(missing))
    with pytest.raises(SecretError, match=f"cannot read secret {ID} .* no usable Google cred"):
        GoogleSecretManagerStore(PROJECT).get(ID)


def test_credentials_that_are_refused(secret_manager: SecretManager, kept: Kept) -> None:
    secret_manager.fail("AccessSecretVersion", StatusCode.UNAUTHENTICATED)
    with pytest.raises(SecretError, match="no usable Google credentials; run on Google Cloud"):
        secret_manager.store().get(ID)


def test_a_project_without_secret_manager() -> None:
    def denied() -> None:
        raise exceptions.PermissionDenied("no", error_info=ErrorInfo(reason="SERVICE_DISABLED"))

    with pytest.raises(SecretError, match=f"run gcloud services enable .* --project {PROJECT}$"):
        call(ACCESS, "secret x", PROJECT, denied)


@pytest.mark.parametrize("code", [StatusCode.INVALID_ARGUMENT, StatusCode.UNAVAILABLE])
@pytest.mark.parametrize("act", ["set", "create"])
def test_no_error_leads_to_the_value(
    secret_manager: SecretManager, act: str, code: StatusCode
) -> None:
    secret_manager.fail("AddSecretVersion", code, times=10**6, details="bad value: hunter2")
    store = secret_manager.store(attempts=Attempts(seconds=0.02, first_wait_seconds=0.001))
    with pytest.raises(SecretError, match="cannot write secret") as caught:
        getattr(store, act)(ID, SecretStr("hunter2"))
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    # As tools show it that record the variables of each frame; this one's own aside.
    frames = list(traceback.walk_tb(error.__traceback__))[1:]
    assert "hunter2" not in f"{error} {error!r} {[frame.f_locals for frame, _ in frames]}"


# --- doctor ----------------------------------------------------------------------------


def test_doctor_asks_whether_keys_may_be_read(secret_manager: SecretManager) -> None:
    store = secret_manager.store()
    [finding] = check_secrets_store(store, URL)
    assert (finding.level, finding.message) == (
        "ok",
        f"{URL} answers; it holds no key of the platform part yet",
    )
    store.set("platform_part-backup-key", SecretStr("hunter2"))
    [finding] = check_secrets_store(store, URL)
    assert (finding.level, finding.message) == ("ok", f"{URL} answers, and may be read")
    secret_manager.denied = {"versions.access"}
    with pytest.raises(SecretError, match=r"secretmanager\.versions\.access is denied"):
        list(check_secrets_store(store, URL))
