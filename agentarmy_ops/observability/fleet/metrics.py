"""The fleet as metrics. docs/metrics.md says what each means."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

from agentarmy_ops.observability.exposition import gauge, labels_of
from agentarmy_ops.observability.fleet.model import (
    Fleet,
    LatestBackup,
    Proof,
    State,
    TenantOverview,
)

# What is said of a tenant whose backups have no verdict.
_NO_VERDICT = "none"

_Value = Callable[[TenantOverview], float | None]


def _of_latest(value: Callable[[LatestBackup], float]) -> _Value:
    return lambda tenant: value(tenant.latest) if tenant.latest else None


def _of_proof(value: Callable[[Proof], float | None]) -> _Value:
    return lambda tenant: value(tenant.proof) if tenant.proof else None


# Name and meaning of each metric of a tenant with no label but its id; where the value is None,
# there is no sample.
_OF_TENANT: tuple[tuple[str, str, _Value], ...] = (
    (
        "agentarmy_backup_last_timestamp_seconds",
        "Moment that the newest complete backup shows.",
        lambda tenant: tenant.history[-1].taken_at.timestamp() if tenant.history else None,
    ),
    (
        "agentarmy_backup_oldest_timestamp_seconds",
        "Moment that the oldest complete backup shows.",
        lambda tenant: tenant.oldest_at.timestamp() if tenant.oldest_at else None,
    ),
    (
        "agentarmy_backup_last_verified_timestamp_seconds",
        "Moment that the newest verified backup shows.",
        _of_proof(lambda proof: proof.taken_at.timestamp()),
    ),
    (
        "agentarmy_verification_last_timestamp_seconds",
        "When the verification of the newest verified backup ended.",
        _of_proof(lambda proof: proof.verified_at.timestamp()),
    ),
    (
        "agentarmy_restore_proven_seconds",
        "Measured time of the restore of the newest verified backup.",
        _of_proof(lambda proof: proof.restore_seconds),
    ),
    (
        "agentarmy_backup_plain_bytes",
        "Size of the newest complete backup's archive before compression.",
        _of_latest(lambda latest: latest.plain_bytes),
    ),
    (
        "agentarmy_backup_stored_bytes",
        "Size of the newest complete backup's archive as it is stored.",
        _of_latest(lambda latest: latest.stored_bytes),
    ),
    (
        "agentarmy_backup_rows",
        "Rows in the newest complete backup.",
        _of_latest(lambda latest: latest.rows),
    ),
    (
        "agentarmy_backup_duration_seconds",
        "Time that the newest complete backup took.",
        _of_latest(lambda latest: latest.backup_seconds),
    ),
    (
        "agentarmy_backups",
        "Complete backups in the store.",
        lambda tenant: tenant.backups,
    ),
    (
        "agentarmy_backups_stored_bytes",
        "Size of all complete backups in the store.",
        lambda tenant: tenant.stored_bytes,
    ),
)


def render_fleet(fleet: Fleet, freshness: timedelta) -> bytes:
    """The fleet in Prometheus' text format. ``freshness``: a backup is fresh that is not older
    than this at the moment of the reading."""
    return "".join(_lines(fleet, freshness)).encode()


def _lines(fleet: Fleet, freshness: timedelta) -> Iterator[str]:
    tenants = [
        (tenant, labels_of({"tenant_id": tenant.tenant_id}))
        for tenant in (fleet.platform, *fleet.tenants)
    ]
    yield from gauge(
        "agentarmy_tenant_info",
        "Slug and state of a tenant.",
        (
            (labels_of({"tenant_id": t.tenant_id, "slug": t.slug, "state": t.state}), 1)
            for t, _ in tenants
        ),
    )
    for name, meaning, value_of in _OF_TENANT:
        values = ((labels, value_of(tenant)) for tenant, labels in tenants)
        yield from gauge(
            name, meaning, ((labels, value) for labels, value in values if value is not None)
        )
    yield from gauge(
        "agentarmy_backup_verdict",
        "Verdict on the newest backup that has one.",
        (
            (labels_of({"tenant_id": t.tenant_id, "verdict": t.verdict or _NO_VERDICT}), 1)
            for t, _ in tenants
        ),
    )
    yield from gauge(
        "agentarmy_backup_fresh",
        "Whether the newest complete backup is as fresh as it has to be.",
        ((labels, int(tenant.is_fresh(fleet.read_at, freshness))) for tenant, labels in tenants),
    )
    yield from _platform_lines(fleet)


def _platform_lines(fleet: Fleet) -> Iterator[str]:
    states = Counter(tenant.state for tenant in fleet.tenants)
    yield from gauge(
        "agentarmy_tenants",
        "Tenants by state.",
        ((labels_of({"state": state}), states[state]) for state in State),
    )
    yield from gauge(
        "agentarmy_store_bytes", "Size of all in the backup store.", [("", fleet.store_bytes)]
    )
    if (batch := fleet.throughput) and batch.seconds > 0:
        yield from gauge(
            "agentarmy_batch_throughput_bytes_per_second",
            "Bytes before compression per second of the newest dump of tenants.",
            [("", batch.plain_bytes / batch.seconds)],
        )
        yield from gauge(
            "agentarmy_batch_tenants", "Tenants in the newest dump.", [("", batch.tenants)]
        )
