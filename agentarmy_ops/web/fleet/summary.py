"""The fleet in a few figures: the tiles above the table."""

from dataclasses import dataclass

from agentarmy_ops.observability.fleet.model import State
from agentarmy_ops.text import age, duration, size
from agentarmy_ops.web.fleet.figures import Figures
from agentarmy_ops.web.fleet.query import FleetQuery, VerdictIs
from agentarmy_ops.web.fleet.row import Moment
from agentarmy_ops.web.fleet.standing import Freshness, Judge, ProofAge

_EVERYBODY = FleetQuery()


@dataclass(frozen=True)
class Detail:
    """A figure below a tile's, with the tenants it counts where they can be listed. ``tone`` is
    warn or bad; empty where there is nothing to do."""

    text: str
    url: str | None = None
    tone: str = ""


@dataclass(frozen=True)
class Tile:
    """``tone`` is good, warn or bad; empty where a figure is none of them."""

    title: str
    figure: str
    details: tuple[Detail, ...]
    tone: str = ""
    moment: Moment | None = None


def tiles(figures: Figures, judge: Judge) -> list[Tile]:
    """What is shown above the table; the platform part counts nowhere but in the store."""
    fleet, states = figures.fleet, figures.states
    return [
        Tile(
            "Tenants",
            f"{len(fleet.tenants):,}",
            tuple(
                Detail(
                    f"{states[state]:,} {state}",
                    _EVERYBODY.link(state=state),
                    "bad" if state is State.MISSING else "",
                )
                for state in State
                if state in states
            ),
        ),
        _backed_up(figures, judge),
        _proven(figures, judge),
        _failed(figures.failed),
        Tile("Store", size(fleet.store_bytes), (Detail(f"{figures.backups:,} backups"),)),
        Tile(
            "Read",
            "",
            (Detail(f"which took {duration(fleet.seconds)}"),),
            moment=Moment.of(fleet.read_at, judge.now),
        ),
    ]


def _backed_up(figures: Figures, judge: Judge) -> Tile:
    counts = figures.freshness(judge)
    late, never = counts[Freshness.STALE], counts[Freshness.NEVER]
    target = age(judge.targets.backup_age.total_seconds())
    details = [Detail(f"in the last {target}", _EVERYBODY.link(freshness=Freshness.FRESH))]
    if late:
        url = _EVERYBODY.link(freshness=Freshness.STALE)
        details.append(Detail(f"{late:,} stale", url, "warn"))
    if never:
        url = _EVERYBODY.link(freshness=Freshness.NEVER)
        details.append(Detail(f"{never:,} never backed up", url, "warn"))
    figure = share(counts[Freshness.FRESH], figures.expected)
    return Tile("Backed up", figure, tuple(details), _tone(late + never, figures.expected))


def _proven(figures: Figures, judge: Judge) -> Tile:
    """Verified is a backup; proven is a tenant, of whom a backup of late was verified."""
    counts = figures.proofs(judge)
    overdue = counts[ProofAge.OVERDUE]
    target = age(judge.targets.proof_age.total_seconds())
    details = [Detail(f"in the last {target}", _EVERYBODY.link(proof=ProofAge.CURRENT))]
    if overdue:
        url = _EVERYBODY.link(proof=ProofAge.OVERDUE)
        details.append(Detail(f"{overdue:,} overdue", url, "warn"))
    figure = share(counts[ProofAge.CURRENT], figures.expected)
    return Tile("Proven", figure, tuple(details), _tone(overdue, figures.expected))


def _failed(failed: int) -> Tile:
    url = _EVERYBODY.link(verdict=VerdictIs.FAILED) if failed else None
    details = (Detail("did not restore", url),)
    return Tile("Failed", f"{failed:,}", details, "bad" if failed else "good")


def _tone(missed: int, expected: int) -> str:
    if missed:
        return "warn"
    return "good" if expected else ""


def share(part: int, whole: int) -> str:
    """``99.9 %``, rounded down, so that 100 % means all; a dash where there is nobody."""
    if not whole:
        return "-"
    tenths = part * 1000 // whole
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"
