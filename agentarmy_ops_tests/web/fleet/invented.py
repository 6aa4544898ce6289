"""Fleets of any size, in any state; the same each time."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agentarmy_ops.backups.reference import new_id
from agentarmy_ops.backups.verdict import Status
from agentarmy_ops.observability.fleet.model import (
    PLATFORM_ID,
    BackupPoint,
    Fleet,
    LatestBackup,
    Proof,
    State,
    TenantOverview,
)
from agentarmy_ops.tenants.slug import schema_name

NOW = datetime.now(UTC).replace(microsecond=0)
KIB = 1024


def backup_at(moment: datetime, stored_bytes: int, status: Status | None) -> BackupPoint:
    """One backup."""
    return BackupPoint(new_id(moment), moment, stored_bytes, status)


def nights(
    sizes: Sequence[int],
    *,
    hours_ago: float = 5,
    verdicts: Sequence[Status | None] = (),
) -> tuple[BackupPoint, ...]:
    """One backup a night with these stored sizes, the last one so many hours ago. ``verdicts`` are
    those of the first backups; the others have none."""
    last = NOW - timedelta(hours=hours_ago)
    padded = [*verdicts, *[None] * len(sizes)]
    return tuple(
        backup_at(last - timedelta(days=len(sizes) - 1 - number), one, padded[number])
        for number, one in enumerate(sizes)
    )


def tenant(
    slug: str, history: Sequence[BackupPoint] = (), *, restore: float | None = 0.7, **changes: Any
) -> TenantOverview:
    """A tenant with that history, and what follows from it."""
    latest = proof = None
    if history:
        newest = history[-1]
        latest = LatestBackup(
            backup_id=newest.backup_id,
            taken_at=newest.taken_at,
            finished_at=newest.taken_at + timedelta(seconds=3),
            rows=newest.stored_bytes // 30,
            plain_bytes=newest.stored_bytes * 8,
            stored_bytes=newest.stored_bytes,
            backup_seconds=0.3,
            encrypted=True,
        )
    good = [point for point in history if point.status is Status.VERIFIED]
    if good:
        moment = good[-1].taken_at
        proof = Proof(good[-1].backup_id, moment, moment + timedelta(hours=1), restore)
    judged = [point.status for point in history if point.status]
    made = TenantOverview(
        tenant_id=str(uuid.uuid5(uuid.NAMESPACE_DNS, slug)),
        slug=slug,
        name=slug.replace("-", " ").title(),
        schema_name=schema_name(slug),
        state=State.ACTIVE,
        history=tuple(history),
        backups=len(history),
        stored_bytes=sum(point.stored_bytes for point in history),
        latest=latest,
        proof=proof,
        verdict=judged[-1] if judged else None,
    )
    return replace(made, **changes)


def platform(**changes: Any) -> TenantOverview:
    """The platform part."""
    history = nights([80 * KIB] * 5, verdicts=[Status.VERIFIED] * 4)
    named = {"tenant_id": PLATFORM_ID, "name": "Platform part", "schema_name": ""}
    return replace(tenant("platform", history), **{**named, **changes})


def fleet(*tenants: TenantOverview, **changes: Any) -> Fleet:
    """A fleet that was read a moment ago."""
    made = Fleet(
        read_at=NOW,
        seconds=0.4,
        platform=platform(),
        tenants=tenants,
        store_bytes=sum(each.stored_bytes for each in tenants),
    )
    return replace(made, **changes)


def large_fleet(tenants: int, nights_each: int = 30) -> Fleet:
    """A fleet as it may be: most are well, a few are not."""
    chance = random.Random(7)  # noqa: S311 - invented, not secret
    names = ("Acme", "Globex", "Initech", "Umbrella", "Stark", "Wayne", "Hooli", "Soylent")
    made = []
    for number in range(tenants):
        size = chance.lognormvariate(14, 1.6)
        growth = chance.uniform(0.995, 1.03)
        sizes = [int(size * growth**night * chance.uniform(0.98, 1.02)) for night in range(30)]
        luck = chance.random()
        verdicts: list[Status | None] = [None] * nights_each
        for night in range(chance.randrange(7), nights_each, 7):
            verdicts[night] = Status.VERIFIED
        history = nights(
            sizes[:nights_each],
            hours_ago=chance.uniform(3, 6) if luck > 0.01 else chance.uniform(30, 200),
            verdicts=verdicts,
        )
        name = f"{chance.choice(names)} {chance.choice(('GmbH', 'Ltd', 'SA', 'Inc.'))} {number}"
        slug = f"{name.split(maxsplit=1)[0].lower()}-{number:05d}"
        one = tenant(slug, history, name=name, restore=chance.lognormvariate(0.3, 1))
        if 0.01 < luck < 0.013:
            last = replace(history[-1], status=Status.FAILED)
            one = tenant(slug, (*history[:-1], last), name=name)
        elif luck > 0.99:
            state = chance.choice([State.INACTIVE, State.INACTIVE, State.OFFBOARDING])
            one = replace(one, state=state)
        elif luck > 0.988:
            one = tenant(slug, name=name)
        elif luck > 0.987:
            one = replace(one, state=State.UNREGISTERED)
        made.append(one)
    return fleet(*made, seconds=2.3)
