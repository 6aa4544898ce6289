"""A reading of the fleet, made ready to be searched, filtered and sorted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import Fleet, State, TenantOverview
from agentarmy_ops.web.fleet.figures import Figures
from agentarmy_ops.web.fleet.query import Column, FleetQuery, Order, VerdictIs
from agentarmy_ops.web.fleet.standing import Judge

_STATES = {state: number for number, state in enumerate(State)}
# What is bad comes first.
_VERDICTS = {Status.FAILED: 0, Status.ERROR: 1, None: 2, Status.VERIFIED: 3}


def growth(tenant: TenantOverview) -> float | None:
    """By how much the newest backup of the history is larger than the oldest, as a share of that;
    None where there is nothing to compare."""
    first, last = tenant.history[:1], tenant.history[-1:]
    if len(tenant.history) < 2 or not first[0].stored_bytes:  # noqa: PLR2004
        return None
    return last[0].stored_bytes / first[0].stored_bytes - 1


def taken_at(tenant: TenantOverview) -> datetime | None:
    """The moment that the newest complete backup shows."""
    return tenant.history[-1].taken_at if tenant.history else None


def _newest_first(tenant: TenantOverview) -> float | None:
    moment = taken_at(tenant)
    return None if moment is None else -moment.timestamp()


def _verdict(tenant: TenantOverview) -> int | None:
    return _VERDICTS[tenant.verdict] if tenant.history else None


_KEYS: Mapping[Column, Callable[[TenantOverview], Any]] = {
    Column.TENANT: lambda tenant: tenant.slug,
    Column.STATE: lambda tenant: _STATES[tenant.state],
    Column.AGE: _newest_first,
    Column.STORED: lambda tenant: tenant.history[-1].stored_bytes if tenant.history else None,
    Column.PLAIN: lambda tenant: tenant.latest.plain_bytes if tenant.latest else None,
    Column.TREND: growth,
    Column.VERDICT: _verdict,
    Column.RESTORE: lambda tenant: tenant.proof.restore_seconds if tenant.proof else None,
}


class FleetIndex:
    """One reading. Each order is made once, when it is first asked for; figures and the text that
    is searched, once for all. A page of 10,000 tenants then costs a pass over them for each filter,
    and none without."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.figures = Figures(fleet)
        self._tenants = sorted(fleet.tenants, key=lambda tenant: tenant.slug)
        self._texts = {
            tenant.slug: f"{tenant.slug}\n{tenant.name}".casefold() for tenant in self._tenants
        }
        self._orders: dict[tuple[Column, Order], Sequence[TenantOverview]] = {}

    def find(self, query: FleetQuery, judge: Judge) -> Sequence[TenantOverview]:
        """All tenants that the query asks for, in its order. Slug and name are searched for each
        word; an id has to begin with it, else any digit would be in nearly all of them."""
        found = self._in_order(query.sort, query.order)
        texts = self._texts
        for word in query.words:
            found = [
                tenant
                for tenant in found
                if word in texts[tenant.slug] or tenant.tenant_id.startswith(word)
            ]
        for test in _tests(query, judge):
            found = [tenant for tenant in found if test(tenant)]
        return found

    def _in_order(self, column: Column, order: Order) -> Sequence[TenantOverview]:
        """Sorted by a column; who has the same value, by slug; who has none, at the end."""
        if (column, order) not in self._orders:
            keyed = [(_KEYS[column](tenant), tenant) for tenant in self._tenants]
            with_value = [pair for pair in keyed if pair[0] is not None]
            with_value.sort(key=lambda pair: pair[0], reverse=order is Order.DESCENDING)
            self._orders[column, order] = [
                *(tenant for _, tenant in with_value),
                *(tenant for key, tenant in keyed if key is None),
            ]
        return self._orders[column, order]


def _tests(query: FleetQuery, judge: Judge) -> Iterator[Callable[[TenantOverview], bool]]:
    """What the filters ask of a tenant. A tenant without any backup has the verdict ``none``."""
    if query.state:
        yield lambda tenant: tenant.state is query.state
    if query.verdict:
        wanted = None if query.verdict is VerdictIs.NONE else Status(query.verdict)
        yield lambda tenant: tenant.verdict == wanted
    if query.freshness:
        yield lambda tenant: judge.freshness(tenant) is query.freshness
    if query.proof:
        yield lambda tenant: judge.proof(tenant) is query.proof
