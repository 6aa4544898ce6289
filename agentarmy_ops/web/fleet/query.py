"""What of the fleet is asked for: the query string of ``/fleet`` and ``/fleet.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from agentarmy_ops.errors import InvalidInputError
from agentarmy_ops.observability.fleet.model import State
from agentarmy_ops.web.fleet.standing import Freshness, ProofAge

# More than the longest slug, name or id that anybody types.
LONGEST_SEARCH = 200
_MOST_DIGITS = 9


class VerdictIs(StrEnum):
    """The verdict on the newest backup that has one."""

    VERIFIED = "verified"
    FAILED = "failed"
    NONE = "none"


class Column(StrEnum):
    """What tenants are sorted by."""

    TENANT = "tenant"
    STATE = "state"
    AGE = "age"
    STORED = "stored"
    PLAIN = "plain"
    TREND = "trend"
    VERDICT = "verdict"
    RESTORE = "restore"


class Order(StrEnum):
    """Smallest first, or largest first; who has no value comes last in both."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@dataclass(frozen=True)
class FleetQuery:
    """Which tenants, in which order, and which page of them. Its fields are the names in the query
    string; what has its default is left out of it."""

    q: str = ""
    state: State | None = None
    freshness: Freshness | None = None
    verdict: VerdictIs | None = None
    proof: ProofAge | None = None
    sort: Column = Column.TENANT
    order: Order = Order.ASCENDING
    page: int = 1

    @property
    def words(self) -> list[str]:
        """What is searched for; each has to be found."""
        return self.q.casefold().split()

    @property
    def filtered(self) -> bool:
        """Whether anything but order and page was asked for."""
        return replace(self, sort=Column.TENANT, order=Order.ASCENDING, page=1) != FleetQuery()

    def link(self, path: str = "/fleet", **changes: Any) -> str:
        """The address of what this query asks for, with some fields changed."""
        changed = replace(self, **changes)
        given = {
            field.name: str(value)
            for field in fields(changed)
            if (value := getattr(changed, field.name)) != field.default
        }
        return f"{path}?{urlencode(given)}" if given else path

    def sorted_by(self, column: Column) -> str:
        """The address of the same by a column, the other way round where it is sorted by that."""
        again = self.sort is column and self.order is Order.ASCENDING
        return self.link(sort=column, order=Order.DESCENDING if again else Order.ASCENDING, page=1)


def read_query(given: Mapping[str, str]) -> FleetQuery:
    """The query of a query string. An empty value is that of a form left alone; names that mean
    nothing are ignored.

    Raises:
        InvalidInputError: a value is none of those that are possible.
    """
    text = {name: value.strip() for name, value in given.items() if value.strip()}
    return FleetQuery(
        q=text.get("q", "")[:LONGEST_SEARCH],
        state=_choice(State, "state", text),
        freshness=_choice(Freshness, "freshness", text),
        verdict=_choice(VerdictIs, "verdict", text),
        proof=_choice(ProofAge, "proof", text),
        sort=_choice(Column, "sort", text) or Column.TENANT,
        order=_choice(Order, "order", text) or Order.ASCENDING,
        page=_page(text.get("page", "1")),
    )


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(values: type[_Choice], name: str, given: Mapping[str, str]) -> _Choice | None:
    if name not in given:
        return None
    try:
        return values(given[name])
    except ValueError:
        raise InvalidInputError(f"{name} can be {', '.join(values)}; look again") from None


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text)):
        raise InvalidInputError("page is a number from 1 on")
    return int(text)
