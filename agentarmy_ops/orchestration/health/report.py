"""Say what changed: an observation for each change, one message to people for all of them."""

from collections.abc import Iterator, Mapping, Sequence

from dagster import AssetKey, AssetObservation

from agentarmy_ops.observability.health.changes import Step
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Key
from agentarmy_ops.observability.notify import Notifier, Severity, summary
from agentarmy_ops.text import duration

TENANT, PLATFORM = AssetKey("tenant"), AssetKey("platform_backup")
PROBLEM, RECOVERED = "problem", "recovered"
# A cause may name many tables or rows.
_LONGEST_CAUSE = 1_000
# Of one check, each by its cause; more are only named.
_TOLD = 3
_NAMED = 10


def observations(step: Step, slugs: Mapping[str, str], now: int) -> Iterator[AssetObservation]:
    """The changes, on the partition of the tenant (of asset ``tenant``) or on ``platform_backup``.
    ``slugs`` are the tenants' by id; who is not among them is not there any more.

    The UI shows the newest of a partition beside what its materialization says; so each names all
    problems that are there by then.
    """
    present: dict[str, list[str]] = {}
    for key, state in step.seen.items():
        if state.raised:
            present.setdefault(key.tenant_id, []).append(key.check.value)
    lasted = {key: duration(now - since) for key, since in step.recovered.items()}
    changes = [
        *((key, RECOVERED, f"well again after {lasted[key]}") for key in step.recovered),
        *((key, PROBLEM, cause) for key, cause in step.raised.items()),
    ]
    for key, status, cause in changes:
        if key.tenant_id not in slugs:
            continue
        is_platform = key.tenant_id == PLATFORM_ID
        yield AssetObservation(
            PLATFORM if is_platform else TENANT,
            partition=None if is_platform else slugs[key.tenant_id],
            description=f"{key.check}: {status}",
            metadata={
                "check": key.check.value,
                "status": status,
                "cause": _short(cause),
                "problems": ", ".join(sorted(present.get(key.tenant_id, []))) or "none",
            },
        )


def tell_people(notifier: Notifier, step: Step, slugs: Mapping[str, str]) -> None:
    """Send one message about all changes, if there are any."""
    if not step.raised and not step.recovered:
        return
    lines = [*_lines("", step.raised, slugs, step.raised)]
    lines += _lines("recovered: ", step.recovered, slugs, {})
    link = notifier.fleet_link()
    notifier.send(
        _title(len(step.raised), len(step.recovered)),
        summary(lines, shown=20) + (f"\n{link}" if link else ""),
        Severity.FAILURE if step.raised else Severity.RECOVERED,
    )


def _title(raised: int, recovered: int) -> str:
    parts = []
    if raised:
        parts.append(f"{raised} health problem{'s' if raised > 1 else ''}")
    if recovered:
        parts.append(f"{recovered} recovered")
    return ", ".join(parts)


def _lines(
    prefix: str, keys: Mapping[Key, object], slugs: Mapping[str, str], causes: Mapping[Key, str]
) -> Iterator[str]:
    by_check: dict[Check, list[Key]] = {}
    for key in keys:
        by_check.setdefault(key.check, []).append(key)
    for check, found in by_check.items():
        if causes and len(found) <= _TOLD:
            yield from (f"{prefix}{check}: {_short(causes[key])}" for key in found)
        else:
            yield f"{prefix}{check}: {_names([slugs.get(k.tenant_id, k.tenant_id) for k in found])}"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _short(cause: str) -> str:
    return cause if len(cause) <= _LONGEST_CAUSE else f"{cause[: _LONGEST_CAUSE - 1]}…"
