"""Bring registry and store together, tenant by tenant."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from agentarmy_ops.observability.fleet.model import (
    PLATFORM_ID,
    LatestBackup,
    State,
    TenantOverview,
    Throughput,
)
from agentarmy_ops.observability.fleet.stored import Dumped, Stored
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops.tenants.slug import schema_name


def platform_overview(stored: Stored | None) -> TenantOverview:
    """The platform part."""
    return _overview(
        PLATFORM_ID, PLATFORM_ID, "Platform part", "", state=State.ACTIVE, stored=stored
    )


def overviews(
    tenants: Sequence[Tenant],
    schemas: Collection[str],
    offboarding: Collection[UUID],
    stored: Mapping[str | None, Stored],
) -> Iterator[TenantOverview]:
    """All tenants by slug: those of the registry, and those who have backups and are not in it.
    ``schemas`` are the names of those that exist, ``offboarding`` the ids of tenants whose erasure
    was asked for."""
    registered = {tenant.slug: tenant for tenant in tenants}
    ids = {str(tenant.id) for tenant in tenants}
    others = {slug for slug, found in stored.items() if slug and found.backups}
    for slug in sorted({*registered, *others}):
        found = stored.get(slug)
        if tenant := registered.get(slug):
            state = _state(tenant, schemas, offboarding)
            yield _overview(
                str(tenant.id), slug, tenant.name, tenant.schema_name, state=state, stored=found
            )
        else:
            yield _unregistered(slug, ids, found)


def _state(tenant: Tenant, schemas: Collection[str], offboarding: Collection[UUID]) -> State:
    if tenant.schema_name not in schemas:
        return State.MISSING
    if tenant.id in offboarding:
        return State.OFFBOARDING
    return State.ACTIVE if tenant.is_active else State.INACTIVE


def _unregistered(slug: str, ids: set[str], stored: Stored | None) -> TenantOverview:
    """Ids are unique among tenants: one whose backups' id is another's, as after a change of
    slug, or is not known, gets a name in the place of an id."""
    facts = stored.dumped.tenant if stored and stored.dumped else None
    tenant_id = str(facts.id) if facts else ""
    if not tenant_id or tenant_id in ids:
        tenant_id = f"{State.UNREGISTERED}/{slug}"
    ids.add(tenant_id)
    name = facts.name if facts else slug
    return _overview(
        tenant_id, slug, name, schema_name(slug), state=State.UNREGISTERED, stored=stored
    )


def _overview(
    tenant_id: str, slug: str, name: str, schema: str, *, state: State, stored: Stored | None
) -> TenantOverview:
    if stored is None:
        return TenantOverview(tenant_id, slug, name, schema, state)
    problems = list(stored.problems)
    facts = stored.dumped.tenant if stored.dumped else None
    if facts and state is not State.UNREGISTERED and str(facts.id) != tenant_id:
        problems.append(
            f"the newest backup of {slug} is that of another tenant ({facts.id}), who had the slug "
            "before; back this one up"
        )
    return TenantOverview(
        tenant_id=tenant_id,
        slug=slug,
        name=name,
        schema_name=schema,
        state=state,
        history=stored.history,
        backups=stored.backups,
        oldest_at=stored.oldest_at,
        stored_bytes=stored.stored_bytes,
        latest=stored.latest,
        proof=stored.proof,
        verdict=stored.verdict,
        problem="; ".join(problems) or None,
    )


def throughput_of(stored: Mapping[str | None, Stored]) -> Throughput | None:
    """That of the newest dump of tenants, from the manifests of those whose newest backup it is."""
    dumps: defaultdict[tuple[object, str], list[tuple[LatestBackup, Dumped]]] = defaultdict(list)
    for slug, found in stored.items():
        if slug and found.latest and found.dumped:
            dumps[found.dumped.snapshot].append((found.latest, found.dumped))
    if not dumps:
        return None
    newest = max(dumps.values(), key=lambda batch: batch[0][1].snapshot)
    began = min(dumped.started_at for _, dumped in newest)
    ended = max(latest.finished_at for latest, _ in newest)
    return Throughput(
        tenants=len(newest),
        plain_bytes=sum(latest.plain_bytes for latest, _ in newest),
        seconds=(ended - began).total_seconds(),
    )
