"""The fleet as metrics: every value, where there is one, and nothing where there is none."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.metrics import render_fleet
from agentarmy_ops.observability.fleet.model import Fleet, Proof, State, Throughput
from agentarmy_ops_tests.observability.fleet.examples import (
    PROVED,
    TAKEN,
    fleet,
    new_tenant,
    tenant,
)

Labels = frozenset[tuple[str, str]]
FRESHNESS = timedelta(hours=26)


def values_of(
    found: Fleet, freshness: timedelta = FRESHNESS
) -> Mapping[str, Mapping[Labels, float]]:
    """All samples by name and labels; each family is a gauge and says what it means."""
    text = render_fleet(found, freshness).decode()
    values: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        assert family.name not in values
        values[family.name] = {frozenset(s.labels.items()): s.value for s in family.samples}
        assert len(values[family.name]) == len(family.samples)
    return values


def labels(**pairs: str) -> Labels:
    return frozenset(pairs.items())


ACME = labels(tenant_id="id-acme")
PLATFORM = labels(tenant_id="platform")


def test_a_tenant_with_everything() -> None:
    values = values_of(fleet(tenant("acme")))
    of_acme = {name: found[ACME] for name, found in values.items() if ACME in found}
    assert of_acme == {
        "agentarmy_backup_last_timestamp_seconds": TAKEN.timestamp(),
        "agentarmy_backup_oldest_timestamp_seconds": PROVED.timestamp(),
        "agentarmy_backup_last_verified_timestamp_seconds": PROVED.timestamp(),
        "agentarmy_verification_last_timestamp_seconds": PROVED.timestamp() + 3600,
        "agentarmy_restore_proven_seconds": 1.5,
        "agentarmy_backup_plain_bytes": 50_000,
        "agentarmy_backup_stored_bytes": 1000,
        "agentarmy_backup_rows": 420,
        "agentarmy_backup_duration_seconds": 0.25,
        "agentarmy_backups": 2,
        "agentarmy_backups_stored_bytes": 2000,
        "agentarmy_backup_fresh": 1,
    }
    assert values["agentarmy_tenant_info"] == {
        labels(tenant_id="platform", slug="platform", state="active"): 1,
        labels(tenant_id="id-acme", slug="acme", state="active"): 1,
    }
    assert values["agentarmy_backup_verdict"] == {
        labels(tenant_id="platform", verdict="none"): 1,
        labels(tenant_id="id-acme", verdict="verified"): 1,
    }


def test_what_does_not_exist_has_no_series() -> None:
    values = values_of(fleet(new_tenant("acme"), throughput=None))
    assert {name: found[ACME] for name, found in values.items() if ACME in found} == {
        "agentarmy_backups": 0,
        "agentarmy_backups_stored_bytes": 0,
        "agentarmy_backup_fresh": 0,
    }
    assert {name: found[PLATFORM] for name, found in values.items() if PLATFORM in found} == {
        "agentarmy_backups": 0,
        "agentarmy_backups_stored_bytes": 0,
        "agentarmy_backup_fresh": 0,
    }
    assert set(values) == {
        "agentarmy_backups",
        "agentarmy_backups_stored_bytes",
        "agentarmy_backup_fresh",
        "agentarmy_backup_verdict",
        "agentarmy_tenant_info",
        "agentarmy_tenants",
        "agentarmy_store_bytes",
    }


def test_a_proof_from_before_restores_were_measured() -> None:
    values = values_of(fleet(tenant("acme", proof=Proof("b1", PROVED, PROVED, None))))
    assert "agentarmy_restore_proven_seconds" not in values
    assert ACME in values["agentarmy_backup_last_verified_timestamp_seconds"]


def test_a_failed_verdict() -> None:
    values = values_of(fleet(tenant("acme", verdict=Status.FAILED)))
    assert labels(tenant_id="id-acme", verdict="failed") in values["agentarmy_backup_verdict"]


@pytest.mark.parametrize(("hours", "fresh"), [(3.99, 0), (4, 1), (4.01, 1)])
def test_freshness(hours: float, fresh: int) -> None:
    values = values_of(fleet(tenant("acme")), timedelta(hours=hours))
    assert values["agentarmy_backup_fresh"][ACME] == fresh


def test_the_fleet_as_a_whole() -> None:
    values = values_of(
        fleet(
            tenant("acme"),
            tenant("globex", State.INACTIVE),
            new_tenant("initech"),
            new_tenant("umbrella", State.MISSING),
        )
    )
    assert values["agentarmy_tenants"] == {
        labels(state="active"): 2,
        labels(state="inactive"): 1,
        labels(state="offboarding"): 0,
        labels(state="missing"): 1,
        labels(state="unregistered"): 0,
    }
    assert values["agentarmy_store_bytes"] == {labels(): 12_345}
    assert values["agentarmy_batch_tenants"] == {labels(): 3}
    assert values["agentarmy_batch_throughput_bytes_per_second"] == {labels(): 2000}


def test_a_dump_that_took_no_time_has_no_throughput() -> None:
    assert "agentarmy_batch_tenants" not in values_of(fleet(throughput=Throughput(1, 1, 0)))


def test_names_and_ids_do_not_appear_that_have_no_business_here() -> None:
    text = render_fleet(fleet(tenant("acme", name="Name of a customer")), FRESHNESS).decode()
    assert "customer" not in text
    assert "b1" not in text
