"""A request disables the tenant and can be taken back; cut short anywhere, it can be completed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agentarmy_ops.backups.catalog import find_backup, list_backups
from agentarmy_ops.backups.queries import Connection
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.errors import (
    OffboardingError,
    OffboardingRefusedError,
    StoreError,
    TenantBusyError,
    TenantNotFoundError,
)
from agentarmy_ops.offboarding.journal import State, list_offboardings, newest_offboarding
from agentarmy_ops.offboarding.offboarder import Offboarder
from agentarmy_ops.offboarding.records import BackupsMode, Cancellation
from agentarmy_ops.offboarding.request import cancel_offboarding, request_offboarding
from agentarmy_ops.offboarding.steps import Step
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops.tenants.redis_keys import RedisKeyError
from agentarmy_ops_tests.offboarding.conftest import (
    NEIGHBOUR,
    House,
    StoppedError,
    redis_keys,
    stop_at,
)


def _state(house: House, slug: str = "acme") -> State | None:
    found = newest_offboarding(house.lab.store, slug)
    return found.state() if found else None


def test_a_request_backs_up_proves_and_disables(house_with_redis: House) -> None:
    house, told = house_with_redis, list[Step]()
    offboarder = house.offboarder(told.append, cooling_off=timedelta(days=7))
    before = datetime.now(UTC)
    request = request_offboarding(offboarder, "acme", backups=BackupsMode.SHRED)
    assert told == [Step.BACK_UP, Step.VERIFY, Step.RECORD, Step.DISABLE, Step.REDIS]
    entry = find_backup(house.lab.store, "acme", request.backup_id)
    assert entry.status is Status.VERIFIED
    assert entry.encrypted
    assert entry.verifications[-1].endswith(f"{request.verification_id}.verified.json")
    assert len(list_backups(house.lab.store, None)) == 1
    assert request.erase_after - request.requested_at == timedelta(days=7)
    assert before <= request.requested_at <= datetime.now(UTC)
    assert request.was_active
    assert request.backups_mode is BackupsMode.SHRED
    assert request.tenant_id == house.lab.tenants["acme"].id
    assert request.run_id == "run-1"
    assert house.objects("offboarding/") == [
        f"offboarding/acme/{request.offboarding_id}/request.json"
    ]
    assert "Acme" not in house.lab.store.read(house.objects("offboarding/")[0]).decode()
    assert (house.is_active("acme"), house.is_active(NEIGHBOUR)) == (False, True)
    assert redis_keys(house, "acme") == [f"session:{n}" for n in range(4)]
    assert "initialized" in redis_keys(house, NEIGHBOUR)
    assert _state(house) is State.PENDING
    found = newest_offboarding(house.lab.store, "acme")
    assert found is not None
    assert found.state(request.erase_after) is State.DUE
    assert found.state(request.erase_after - timedelta(seconds=1)) is State.PENDING


def test_asked_again_the_request_stays_as_it_is(requested: House) -> None:
    house = requested
    found = newest_offboarding(house.lab.store, "acme")
    house.lab.run("UPDATE shared.tenants SET is_active = true WHERE slug = 'acme'")
    told = list[Step]()
    again = request_offboarding(house.offboarder(told.append), "acme", backups=BackupsMode.DELETE)
    assert found is not None
    assert again == found.request
    assert told == [Step.DISABLE]
    assert house.is_active() is False


@pytest.mark.parametrize("place", range(5))
def test_a_request_cut_short_is_completed_by_the_next(house_with_redis: House, place: int) -> None:
    house = house_with_redis
    with pytest.raises(StoppedError) as stopped:
        request_offboarding(house.offboarder(stop_at(place)), "acme")
    step = stopped.value.args[0]
    if step in (Step.BACK_UP, Step.VERIFY, Step.RECORD):
        assert _state(house) is None
        assert house.is_active()
    else:
        assert _state(house) is State.DUE
    first = newest_offboarding(house.lab.store, "acme")
    request = request_offboarding(house.offboarder(), "acme")
    assert first is None or first.request == request
    assert house.is_active() is False
    assert "initialized" not in redis_keys(house, "acme")
    assert len(list(list_offboardings(house.lab.store))) == 1


def test_a_request_is_taken_back(requested_with_redis: House) -> None:
    house = requested_with_redis
    request = request_offboarding(house.offboarder(), "acme")
    cancellation = cancel_offboarding(house.offboarder(), "acme")
    assert cancellation.offboarding_id == request.offboarding_id
    assert cancellation.is_active
    assert cancellation.run_id == "run-1"
    assert house.is_active()
    assert "initialized" in redis_keys(house, "acme")
    assert _state(house) is State.CANCELLED
    with pytest.raises(OffboardingRefusedError, match="is not requested; there is nothing to can"):
        cancel_offboarding(house.offboarder(), "acme")
    second = request_offboarding(house.offboarder(), "acme")
    assert second.offboarding_id != request.offboarding_id
    states = [found.state() for found in list_offboardings(house.lab.store, "acme")]
    assert states == [State.CANCELLED, State.DUE]


@pytest.mark.parametrize("place", range(3))
def test_a_cancellation_cut_short_is_completed_by_the_next(
    requested_with_redis: House, place: int
) -> None:
    house = requested_with_redis
    request_offboarding(house.offboarder(), "acme")
    with pytest.raises(StoppedError):
        cancel_offboarding(house.offboarder(stop_at(place)), "acme")
    assert _state(house) is State.DUE
    cancel_offboarding(house.offboarder(), "acme")
    assert house.is_active()
    assert "initialized" in redis_keys(house, "acme")
    assert _state(house) is State.CANCELLED


def test_a_tenant_that_was_not_active_stays_so(house_with_redis: House) -> None:
    house = house_with_redis
    house.lab.run("UPDATE shared.tenants SET is_active = false WHERE slug = 'acme'")
    assert not request_offboarding(house.offboarder(), "acme").was_active
    assert not cancel_offboarding(house.offboarder(), "acme").is_active
    assert house.is_active() is False
    assert "initialized" not in redis_keys(house, "acme")


def test_what_others_depend_on_is_refused_before_anything(house: House) -> None:
    house.lab.run("CREATE VIEW shared.mails AS SELECT email FROM tenant_acme.users")
    told = list[Step]()
    with pytest.raises(OffboardingRefusedError, match=r"shared\.mails outside of it depends"):
        request_offboarding(house.offboarder(told.append), "acme")
    assert told == []
    assert house.is_active()


def test_what_others_come_to_depend_on_meanwhile_is_refused(house: House) -> None:
    def watch(step: Step) -> None:
        if step is Step.VERIFY:
            house.lab.run("CREATE VIEW shared.mails AS SELECT email FROM tenant_acme.users")

    with pytest.raises(OffboardingRefusedError, match="cannot be erased"):
        request_offboarding(house.offboarder(watch), "acme")
    assert _state(house) is None
    assert house.is_active()


def test_without_a_verified_backup_nothing_is_requested(house: House) -> None:
    # pg_restore fills it with an empty search_path, in which there are no notes.
    house.lab.run(
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM notes';"
        "CREATE MATERIALIZED VIEW counted AS SELECT f()",
        "acme",
    )
    with pytest.raises(OffboardingRefusedError, match="is not erased without a verified backup"):
        request_offboarding(house.offboarder(), "acme")
    assert _state(house) is None
    assert house.is_active()


def test_a_backup_that_fails_is_the_error(house: House) -> None:
    house.lab.run("DROP SCHEMA tenant_acme CASCADE")
    with pytest.raises(Exception, match="tenant acme has no schema tenant_acme"):
        request_offboarding(house.offboarder(), "acme")
    assert house.is_active()


def test_whoever_works_on_the_tenant_is_waited_for(requested: House) -> None:
    house = requested
    hasty = house.offboarder()
    hasty = replace(hasty, restorer=replace(hasty.restorer, lock_timeout_seconds=0.2))
    with (
        house.lab.database.connect(autocommit=True) as other,
        tenant_lock(other, "acme", timeout_seconds=5),
    ):
        with pytest.raises(TenantBusyError):
            request_offboarding(hasty, "acme")
        with pytest.raises(TenantBusyError):
            cancel_offboarding(hasty, "acme")
    with house.lab.database.connect() as other:
        other.execute("SELECT FROM shared.tenants WHERE slug = 'acme' FOR UPDATE")
        with pytest.raises(TenantBusyError, match="another session works on it"):
            cancel_offboarding(hasty, "acme")


def test_a_redis_that_is_not_there_is_an_error_and_the_next_call_completes(
    requested_with_redis: House,
) -> None:
    house = requested_with_redis
    gone = replace(house, redis_url="redis://:hunter2@127.0.0.1:9/0")
    with pytest.raises(RedisKeyError, match="is disabled, but Redis at 127") as caught:
        request_offboarding(gone.offboarder(), "acme")
    assert "hunter2" not in str(caught.value)
    assert house.is_active() is False
    request_offboarding(house.offboarder(), "acme")
    assert "initialized" not in redis_keys(house, "acme")


def test_cancelled_while_it_is_asked_for_again(requested: House) -> None:
    """The second caller saw a request, made no backup, and then there is none."""
    house = requested
    cancelled: list[Cancellation] = []

    class Late(Offboarder):
        @contextmanager
        def locked(self, slug: str) -> Iterator[Connection]:
            if not cancelled:
                cancelled.append(cancel_offboarding(house.offboarder(), "acme"))
            with super().locked(slug) as connection:
                yield connection

    with pytest.raises(TenantBusyError, match="was cancelled at this moment"):
        request_offboarding(Late(**vars(house.offboarder())), "acme")
    assert _state(house) is State.CANCELLED
    assert house.is_active()


def test_an_unknown_tenant(house: House) -> None:
    with pytest.raises(TenantNotFoundError):
        request_offboarding(house.offboarder(), "nobody")
    with pytest.raises(OffboardingRefusedError, match="nothing to cancel"):
        cancel_offboarding(house.offboarder(), "nobody")


def test_a_registry_that_cannot_be_written_is_one_line(requested: House) -> None:
    house = requested
    house.lab.run("ALTER TABLE shared.tenants OWNER TO CURRENT_USER")
    house.lab.run("REVOKE ALL ON shared.tenants FROM agentarmy_owner")
    house.lab.run("GRANT SELECT ON shared.tenants TO agentarmy_owner")
    with pytest.raises(OffboardingError, match="PostgreSQL refused: permission denied") as caught:
        request_offboarding(house.offboarder(), "acme")
    assert "\n" not in str(caught.value)
    assert _state(house) is State.DUE  # and the next call completes it


def test_a_record_that_was_changed_is_not_trusted(requested: House) -> None:
    house = requested
    (name,) = house.objects("offboarding/")
    (house.lab.root / name).chmod(0o600)
    (house.lab.root / name).write_text("{}")
    with pytest.raises(StoreError, match=r"request\.json in .* is not a record of this version"):
        request_offboarding(house.offboarder(), "acme")
