"""A tenant as the table of ``/fleet`` shows it: the words, not the values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import PLATFORM_ID, State, TenantOverview
from agentarmy_ops.text import age, duration, size, when
from agentarmy_ops.web.fleet.dagster_links import backups_page
from agentarmy_ops.web.fleet.index import growth, taken_at
from agentarmy_ops.web.fleet.standing import Freshness, Judge, ProofAge
from agentarmy_ops.web.fleet.trend import Trend, trend

# No slug has an underscore, so this is no tenant's page.
PLATFORM_PAGE = "_platform"
PLATFORM_NAME = "(platform)"


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as people read it (``ago``: 5 h) and as it is (``iso``, UTC)."""

    iso: str
    ago: str

    @classmethod
    def of(cls, moment: datetime, now: datetime) -> Self:
        """A moment, seen from ``now``."""
        return cls(when(moment), age((now - moment).total_seconds()))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. What is not known, or does not exist, is None."""

    name: str
    title: str
    url: str
    dagster_url: str
    state: State
    backup: Moment | None
    freshness: Freshness | None
    stored: str | None
    plain: str | None
    trend: Trend | None
    growth: str | None
    verdict: Status | None
    overdue: bool
    restore: str | None
    in_time: bool | None
    problem: str | None


def row_of(tenant: TenantOverview, judge: Judge) -> Row:
    """A tenant, or the platform part."""
    moment, proof = taken_at(tenant), tenant.proof
    platform = tenant.tenant_id == PLATFORM_ID
    measured = proof.restore_seconds if proof else None
    return Row(
        name=PLATFORM_NAME if platform else tenant.slug,
        title="all that is in no tenant's schema" if platform else tenant.name,
        url=f"/fleet/{PLATFORM_PAGE if platform else tenant.slug}",
        dagster_url=backups_page(tenant),
        state=tenant.state,
        backup=Moment.of(moment, judge.now) if moment else None,
        freshness=judge.freshness(tenant),
        stored=size(tenant.history[-1].stored_bytes) if tenant.history else None,
        plain=size(tenant.latest.plain_bytes) if tenant.latest else None,
        trend=trend(tenant.history),
        growth=growth_text(growth(tenant)),
        verdict=tenant.verdict,
        overdue=judge.proof(tenant) is ProofAge.OVERDUE,
        restore=duration(measured) if measured is not None else None,
        in_time=judge.restores_in_time(tenant),
        problem=tenant.problem,
    )


def growth_text(share: float | None) -> str | None:
    """``+12 %``; from ten times on ``14x``, which is easier to grasp."""
    if share is None:
        return None
    if share >= 9:  # noqa: PLR2004
        return f"{share + 1:.0f}x"
    percent = round(share * 100)
    return f"{percent:+d} %" if percent else "±0 %"
