"""What the page of one tenant shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import (
    PLATFORM_ID,
    BackupPoint,
    State,
    TenantOverview,
)
from agentarmy_ops.text import age, duration, size
from agentarmy_ops.web.fleet.commands import Command, commands
from agentarmy_ops.web.fleet.dagster_links import asset_partition, backups_page, runs_of_job
from agentarmy_ops.web.fleet.index import taken_at
from agentarmy_ops.web.fleet.plot import Plot, plot
from agentarmy_ops.web.fleet.row import PLATFORM_NAME, Moment
from agentarmy_ops.web.fleet.standing import EXPECTED, Freshness, Judge, ProofAge

_STATES = {
    State.ACTIVE: None,
    State.INACTIVE: "It is not active; it is backed up nevertheless.",
    State.OFFBOARDING: "Its erasure was asked for, and it cools off. It is backed up until then.",
    State.MISSING: "The registry names a schema that does not exist.",
    State.UNREGISTERED: "It has backups and no row in shared.tenants.",
}


@dataclass(frozen=True)
class Objective:
    """A target and how far it is met; ``met`` is None where nothing can be said."""

    what: str
    figure: str
    target: str
    met: bool | None
    moment: Moment | None = None


@dataclass(frozen=True)
class Fact:
    """A line about a tenant. ``code``: the value is a name to copy."""

    name: str
    value: str
    moment: Moment | None = None
    code: bool = False


@dataclass(frozen=True)
class Line:
    """One backup of the history."""

    backup_id: str
    moment: Moment
    stored: str
    verdict: Status | None


@dataclass(frozen=True)
class Link:
    """A page of the Dagster UI."""

    text: str
    url: str


@dataclass(frozen=True)
class TenantPage:
    """One tenant, or the platform part."""

    name: str
    title: str
    state: State
    state_means: str | None
    problem: str | None
    identifiers: Sequence[Fact]
    objectives: Sequence[Objective]
    latest: Sequence[Fact]
    plot: Plot | None
    history: Sequence[Line]
    backups: int
    commands: Sequence[Command]
    links: Sequence[Link]


def tenant_page(tenant: TenantOverview, judge: Judge) -> TenantPage:
    """All that is known of it, in words."""
    platform = tenant.tenant_id == PLATFORM_ID
    return TenantPage(
        name=PLATFORM_NAME if platform else tenant.slug,
        title="All that is in no tenant's schema" if platform else tenant.name,
        state=tenant.state,
        state_means=_STATES[tenant.state],
        problem=tenant.problem,
        identifiers=() if platform else tuple(_identifiers(tenant)),
        objectives=_objectives(tenant, judge),
        latest=tuple(_latest(tenant, judge.now)),
        plot=plot(tenant.history),
        history=[_line(point, judge.now) for point in reversed(tenant.history)],
        backups=tenant.backups,
        commands=commands(tenant),
        links=tuple(_links(tenant, platform=platform)),
    )


def _identifiers(tenant: TenantOverview) -> Iterator[Fact]:
    yield Fact("Slug", tenant.slug, code=True)
    yield Fact("Tenant id", tenant.tenant_id, code=True)
    yield Fact("Schema", tenant.schema_name, code=True)


def _objectives(tenant: TenantOverview, judge: Judge) -> tuple[Objective, ...]:
    """What is lost if the tenant is restored now, and how long that takes, against the targets."""
    newest, proof, targets = taken_at(tenant), tenant.proof, judge.targets
    freshness, proven = judge.freshness(tenant), judge.proof(tenant)
    measured = proof.restore_seconds if proof else None
    return (
        Objective(
            "Newest backup",
            "there is none",
            f"not older than {age(targets.backup_age.total_seconds())}",
            None if freshness is None else freshness is Freshness.FRESH,
            Moment.of(newest, judge.now) if newest else None,
        ),
        Objective(
            "Newest backup that is verified (proven RPO)",
            "there is none",
            f"not older than {age(targets.proof_age.total_seconds())}",
            None if proven is None else proven is ProofAge.CURRENT,
            Moment.of(proof.taken_at, judge.now) if proof else None,
        ),
        Objective(
            "Its measured restore (proven RTO)",
            "not measured" if measured is None else duration(measured),
            f"at most {duration(targets.restore_seconds)}",
            judge.restores_in_time(tenant),
        ),
    )


def _latest(tenant: TenantOverview, now: datetime) -> Iterator[Fact]:
    if latest := tenant.latest:
        yield Fact("Backup", latest.backup_id, code=True)
        yield Fact("Taken", "", Moment.of(latest.taken_at, now))
        yield Fact("Finished", "", Moment.of(latest.finished_at, now))
        yield Fact("Took", duration(latest.backup_seconds))
        yield Fact("Rows", f"{latest.rows:,}")
        yield Fact("Size", size(latest.plain_bytes))
        ratio = latest.plain_bytes / latest.stored_bytes if latest.stored_bytes else 0
        yield Fact("Stored", f"{size(latest.stored_bytes)} ({ratio:.1f} to 1)")
        yield Fact("Encrypted", "with age" if latest.encrypted else "no")
    if tenant.backups:
        stored = size(tenant.stored_bytes)
        yield Fact("All backups", f"{tenant.backups:,}, {stored} in the store")


def _line(point: BackupPoint, now: datetime) -> Line:
    return Line(
        point.backup_id, Moment.of(point.taken_at, now), size(point.stored_bytes), point.status
    )


def _links(tenant: TenantOverview, *, platform: bool) -> Iterator[Link]:
    yield Link("Its backups" if platform else "Backups of this tenant", backups_page(tenant))
    if not platform:
        slug = tenant.slug
        yield Link("Verifications of this tenant", asset_partition("restore_verification", slug))
        if tenant.state in EXPECTED:
            yield Link("The tenant itself", asset_partition("tenant", slug))
    yield Link("All runs of backup_tenants", runs_of_job("backup_tenants"))
    yield Link("All runs of verify_restores", runs_of_job("verify_restores"))
