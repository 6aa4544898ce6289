"""Tenants whose erasure was asked for."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from agentarmy_ops.observability.fleet.model import Fleet, State
from agentarmy_ops.offboarding.journal import record_cancellation, record_request
from agentarmy_ops.offboarding.records import BackupsMode, Cancellation, Request
from agentarmy_ops_tests.backups.stored import id_of, put_object
from agentarmy_ops_tests.fix_backups import Lab
from agentarmy_ops_tests.observability.fleet.conftest import NOW, WatchedStore, reader_of


def request_of(lab: Lab, requested: datetime = NOW, **changes: Any) -> Request:
    """A request to erase acme, in the store."""
    fields = {
        "offboarding_id": id_of(requested),
        "slug": "acme",
        "tenant_id": lab.tenants["acme"].id,
        "requested_at": requested,
        "erase_after": requested + timedelta(days=30),
        "backup_id": id_of(requested),
        "verification_id": id_of(requested, 1),
        "was_active": True,
        "backups_mode": BackupsMode.KEEP,
        "run_id": None,
    }
    request = Request(**{**fields, **changes})
    record_request(lab.store, request)
    return request


def cancel(lab: Lab, request: Request) -> None:
    record_cancellation(
        lab.store,
        Cancellation(
            offboarding_id=request.offboarding_id,
            slug=request.slug,
            tenant_id=request.tenant_id,
            cancelled_at=NOW,
            is_active=True,
            run_id=None,
        ),
    )


def state(fleet: Fleet) -> State:
    (acme,) = fleet.tenants
    return acme.state


def test_from_the_request_to_the_cancellation(lab: Lab) -> None:
    store = WatchedStore(lab.store)
    reader = reader_of(lab, store)
    request = request_of(lab)
    assert state(reader.read()) is State.OFFBOARDING
    assert state(reader.read()) is State.OFFBOARDING
    assert store.read_names == {"request.json": 1}
    cancel(lab, request)
    assert state(reader.read()) is State.ACTIVE


def test_a_request_after_a_cancelled_one(lab: Lab) -> None:
    cancel(lab, request_of(lab, NOW - timedelta(days=2)))
    request_of(lab)
    assert state(reader_of(lab).read()) is State.OFFBOARDING


def test_a_cancellation_ends_all_requests_before_it(lab: Lab) -> None:
    """The newest request counts, as everywhere."""
    request_of(lab, NOW - timedelta(days=2))
    cancel(lab, request_of(lab))
    assert state(reader_of(lab).read()) is State.ACTIVE


def test_a_certificate_says_that_it_is_over(lab: Lab) -> None:
    request = request_of(lab)
    folder = f"offboarding/acme/{request.offboarding_id}/"
    put_object(lab.store, f"{folder}erasing-{id_of(NOW)}.json", NOW)
    assert state(reader_of(lab).read()) is State.OFFBOARDING
    put_object(lab.store, f"{folder}certificate-{id_of(NOW)}.json", NOW)
    assert state(reader_of(lab).read()) is State.ACTIVE


def test_another_tenant_of_the_slug_is_not_meant(lab: Lab) -> None:
    other = lab.register("globex")
    request_of(lab, tenant_id=other.id)
    lab.run("DELETE FROM shared.tenants WHERE slug = 'globex'")
    assert state(reader_of(lab).read()) is State.ACTIVE


def test_a_schema_that_is_missing_is_worse(lab: Lab) -> None:
    request_of(lab)
    lab.run("DROP SCHEMA tenant_acme CASCADE")
    assert state(reader_of(lab).read()) is State.MISSING


@pytest.mark.parametrize("data", [b"{", b'{"slug": "acme"}'])
def test_a_request_that_cannot_be_read(lab: Lab, data: bytes) -> None:
    request = request_of(lab)
    put_object(lab.store, f"offboarding/acme/{request.offboarding_id}/request.json", NOW, data)
    fleet = reader_of(lab).read()
    assert state(fleet) is State.ACTIVE
    (problem,) = fleet.problems
    assert "request.json" in problem
