"""The two sensors. Their cursors hold what is known; :mod:`.metrics` reads them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from agentarmy_ops.errors import OpsError
from agentarmy_ops.observability.health.changes import Step, advance
from agentarmy_ops.observability.health.memory import Memory, decode
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Findings, Key
from agentarmy_ops.observability.notify import Notifier
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.orchestration.health.platform import examine_platform
from agentarmy_ops.orchestration.health.report import observations, tell_people
from agentarmy_ops.orchestration.health.tenants import examine_tenants
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.tenants.registry import Registry

# Of the minute after which Dagster gives a tick up; the rest is for queries and events.
LISTING_SECONDS = 20.0


@sensor(
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Servers, store, registry, lock budget and the platform's backups are well.",
)
def platform_health_sensor(context: SensorEvaluationContext, ops: OpsResource) -> SensorResult:
    """Look at what everything rests on, and tell what changed.

    What does not answer is what it finds, and no failure of its own. It writes nothing but what
    it tells, and waits for no lock.
    """
    now, memory = datetime.now(UTC), _remembered(context)
    findings = examine_platform(ops.runtime, now)
    slugs = {PLATFORM_ID: PLATFORM_ID}
    return _tell(context, ops.runtime.notifier, memory, findings, now=now, slugs=slugs)


@sensor(
    minimum_interval_seconds=120,
    default_status=DefaultSensorStatus.RUNNING,
    description="Every tenant has its schema, isolated, and fresh backups that were verified.",
)
def tenant_health_sensor(
    context: SensorEvaluationContext, ops: OpsResource
) -> SensorResult | SkipReason:
    """Look at all tenants in a few queries, and tell what changed.

    Where the database cannot be read all stays as it was known; that it cannot is for
    ``platform_health_sensor`` to tell.
    """
    now, memory, runtime = datetime.now(UTC), _remembered(context), ops.runtime
    try:
        registry, findings, left_at = examine_tenants(
            context.instance,
            runtime.backup,
            runtime.store,
            Targets.of(runtime.settings),
            now,
            after=memory.left_at,
            seconds=LISTING_SECONDS,
        )
    except OpsError as error:
        return SkipReason(f"tenants cannot be looked at, all stays as it was known: {error}")
    memory, findings = _without_the_gone(replace(memory, left_at=left_at), findings, registry)
    slugs = {str(tenant.id): tenant.slug for tenant in registry.tenants}
    slugs[PLATFORM_ID] = PLATFORM_ID
    return _tell(context, runtime.notifier, memory, findings, now=now, slugs=slugs)


def _remembered(context: SensorEvaluationContext) -> Memory:
    memory = decode(context.cursor)
    if memory is None and context.cursor:
        context.log.warning("the cursor is not ours or not whole: what is wrong is told anew")
    return memory or Memory()


def _without_the_gone(
    memory: Memory, findings: Findings, registry: Registry
) -> tuple[Memory, Findings]:
    """Forget tenants that are gone. A row of the registry that cannot be used may be theirs."""
    there = {PLATFORM_ID, *(str(tenant.id) for tenant in registry.tenants)}
    gone = frozenset(key for key in memory.seen if key.tenant_id not in there)
    if registry.problems:
        return memory, replace(findings, unchecked=findings.unchecked | gone)
    seen = {key: state for key, state in memory.seen.items() if key not in gone}
    return replace(memory, seen=seen), findings


def _tell(
    context: SensorEvaluationContext,
    notifier: Notifier,
    memory: Memory,
    findings: Findings,
    *,
    now: datetime,
    slugs: Mapping[str, str],
) -> SensorResult:
    moment = int(now.timestamp())
    step = advance(memory.seen, findings, moment)
    _log(context, step, findings)
    tell_people(notifier, step, slugs)
    checked_at = memory.checked_at if findings.skipped else moment
    return SensorResult(
        asset_events=list(observations(step, slugs, moment)),
        cursor=Memory(checked_at, step.seen, memory.left_at).encode(),
        skip_reason=SkipReason(
            f"{len(step.raised)} new problems, {len(step.recovered)} recovered, "
            f"{len(step.seen)} present" + (f", {step.waiting} left" if step.waiting else "")
        ),
    )


def _log(context: SensorEvaluationContext, step: Step, findings: Findings) -> None:
    for key, cause in step.raised.items():
        context.log.error(f"{_name(key)}: {cause}")
    for key in step.recovered:
        context.log.info(f"{_name(key)}: well again")
    if findings.skipped:
        context.log.warning(f"not looked at: {', '.join(sorted(findings.skipped))}")


def _name(key: Key) -> str:
    return f"{key.check} of {key.tenant_id}"
