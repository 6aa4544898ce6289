"""All tenants at once: a few queries for all of them, and the store only where it is in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from dagster import AssetKey, DagsterEventType, DagsterInstance
from psycopg import errors as pg

from agentarmy_ops.backups.catalog import backed_up_slugs, list_many
from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.errors import StoreError
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Findings, Key
from agentarmy_ops.observability.health.schemas import (
    drift_problems,
    isolation_problems,
    look_only,
    read_drift,
)
from agentarmy_ops.observability.health.stored_backups import backup_problems
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.orchestration.staleness import recorded_backups
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.stores.base import Store
from agentarmy_ops.tenants.registry import Registry, Tenant, read_registry

_BACKUP, _PROOF = AssetKey("tenant_backup"), AssetKey("restore_verification")
_OF_BACKUPS = (Check.STALE_BACKUP, Check.FAILED_VERIFICATION, Check.OVERDUE_VERIFICATION)
OF_TENANTS = frozenset(
    {Check.UNREGISTERED_SCHEMA, Check.MISSING_SCHEMA, Check.ROW_LEVEL_SECURITY, *_OF_BACKUPS}
)


@dataclass(frozen=True)
class InDatabase:
    """What the live database says of its tenants. ``registry`` are those that can be used."""

    registry: Registry
    problems: dict[Key, str]
    skipped: frozenset[Check]


@dataclass(frozen=True)
class InStore:
    """What the store says of tenants' backups; of ``unseen`` it was not asked, for time ran out at
    tenant ``left_at``."""

    problems: dict[Key, str]
    unseen: Sequence[Tenant] = ()
    left_at: str | None = None


def examine_database(database: ConnInfo) -> InDatabase:
    """Compare registry and schemas, and see that each tenant is isolated, as of one moment.

    Raises:
        DatabaseError: the database or its registry cannot be read.
    """
    problems: dict[Key, str] = {}
    skipped: set[Check] = set()
    with look_only(database) as connection:
        registry = read_registry(connection)
        drift = read_drift(connection, registry)
        problems.update(drift_problems(drift))
        if registry.problems:
            # The schema may be that of the row that breaks the rule.
            skipped.add(Check.UNREGISTERED_SCHEMA)
            problems.pop(Key(Check.UNREGISTERED_SCHEMA, PLATFORM_ID), None)
        try:
            with connection.transaction():
                problems.update(isolation_problems(connection, registry.tenants))
        except (pg.LockNotAvailable, pg.QueryCanceled):
            skipped.add(Check.ROW_LEVEL_SECURITY)
    return InDatabase(registry, problems, frozenset(skipped))


def examine_store(
    tenants: Sequence[Tenant],
    doubtful: frozenset[str],
    store: Store,
    targets: Targets,
    now: datetime,
    *,
    after: str | None = None,
    seconds: float,
) -> InStore:
    """Problems with the backups of those of ``tenants`` that are ``doubtful``, each of whose
    folders is listed. After ``seconds`` the rest is left to the next call, which begins behind
    ``after``.

    Raises:
        StoreError: it cannot be listed.
    """
    asked = [tenant for tenant in tenants if tenant.slug in doubtful]
    start = next((n for n, tenant in enumerate(asked, 1) if tenant.slug == after), 0)
    asked = [*asked[start:], *asked[:start]]
    problems: dict[Key, str] = {}
    deadline, count = monotonic() + seconds, 0
    by_slug = {tenant.slug: tenant for tenant in asked}
    for slug, backups in list_many(store, by_slug):
        tenant = by_slug[str(slug)]
        for check, cause in backup_problems(backups, targets, now, tenant.created_at):
            problems[Key(check, str(tenant.id))] = f"tenant {slug}: {cause}"
        count += 1
        if monotonic() > deadline:
            break
    unseen = asked[count:]
    return InStore(problems, unseen, asked[count - 1].slug if unseen else None)


def doubtful_slugs(
    instance: DagsterInstance,
    tenants: Sequence[Tenant],
    store: Store,
    targets: Targets,
    now: datetime,
) -> frozenset[str]:
    """Tenants whose backups Dagster's record does not show to be well: a fresh backup, a fresh one
    that was verified, nothing said against one since, and something of the tenant in the store.

    The record is read in four queries, whatever the number of tenants. It does not know what the
    command line did, hence doubt and not a verdict.

    Raises:
        StoreError: the store cannot be listed.
    """
    made, proven = recorded_backups(instance, _BACKUP), recorded_backups(instance, _PROOF)
    log = instance.event_log_storage
    verified = log.get_latest_storage_id_by_partition(
        _PROOF, DagsterEventType.ASSET_MATERIALIZATION
    )
    objected = log.get_latest_storage_id_by_partition(_PROOF, DagsterEventType.ASSET_OBSERVATION)
    stored = set(backed_up_slugs(store))
    fresh, fresh_proof = new_id(now - targets.backup_age), new_id(now - targets.proof_age)
    return frozenset(
        tenant.slug
        for tenant in tenants
        if tenant.slug not in stored
        or made.get(tenant.slug, "") < fresh
        or proven.get(tenant.slug, "") < fresh_proof
        or objected.get(tenant.slug, 0) > verified.get(tenant.slug, 0)
    )


def examine_tenants(
    instance: DagsterInstance,
    database: ConnInfo,
    store: Store,
    targets: Targets,
    now: datetime,
    *,
    after: str | None,
    seconds: float,
) -> tuple[Registry, Findings, str | None]:
    """All of it: the tenants, what is wrong, and the tenant at which time ran out. Of inactive
    tenants only registry, schema and isolation are looked at.

    Raises:
        DatabaseError: the database or its registry cannot be read.
    """
    live = examine_database(database)
    active = [tenant for tenant in live.registry.tenants if tenant.is_active]
    try:
        doubtful = doubtful_slugs(instance, active, store, targets, now)
        found = examine_store(active, doubtful, store, targets, now, after=after, seconds=seconds)
    except StoreError:  # which the platform's sensor tells of
        skipped = live.skipped | frozenset(_OF_BACKUPS)
        return live.registry, Findings(live.problems, skipped), after
    unchecked = frozenset(
        Key(check, str(tenant.id)) for tenant in found.unseen for check in _OF_BACKUPS
    )
    findings = Findings({**live.problems, **found.problems}, live.skipped, unchecked)
    return live.registry, findings, found.left_at
