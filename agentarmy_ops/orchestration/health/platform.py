"""What everything rests on: servers, store, registry, and the platform part's backups."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.backups.source import usable_cores
from agentarmy_ops.doctor.finding import Finding, Level
from agentarmy_ops.doctor.live_database import DatabaseIdentity, identify
from agentarmy_ops.doctor.lock_budget import check_lock_budget
from agentarmy_ops.doctor.redis_server import check_redis
from agentarmy_ops.doctor.scratch_server import check_scratch_major
from agentarmy_ops.errors import OpsError
from agentarmy_ops.observability.health.deadline import answers
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Findings, Key
from agentarmy_ops.observability.health.schemas import CONNECT_SECONDS, look_only
from agentarmy_ops.observability.health.stored_backups import backup_problems
from agentarmy_ops.observability.targets import Targets
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.runtime import Runtime
from agentarmy_ops.tenants.registry import read_registry

# Of the minute after which Dagster gives a tick up.
SECONDS = 20.0
# Without any backup these hang on how long there have been tenants.
_OF_AGE = frozenset({Check.STALE_BACKUP, Check.OVERDUE_VERIFICATION})
_OF_BACKUPS = _OF_AGE | {Check.FAILED_VERIFICATION}
# What is found out over a connection to the live database.
_OF_LIVE = frozenset({Check.REGISTRY, Check.LOCK_BUDGET})

Causes = list[tuple[Check, str]]


@dataclass(frozen=True)
class _Live:
    """What the live database says. ``first_tenant`` is when the oldest tenant was registered,
    if there is one; whether there is, ``knows_age`` says."""

    identity: DatabaseIdentity
    causes: Causes
    knows_age: bool = False
    first_tenant: datetime | None = None


def examine_platform(runtime: Runtime, now: datetime, seconds: float = SECONDS) -> Findings:
    """Look at everything once, read-only, in twice ``seconds`` at most. What cannot be reached is
    a problem, and what can therefore not be looked at is left as it was known."""
    (live,) = answers({Check.LIVE_DATABASE: lambda: _look_at_live(runtime)}, seconds).values()
    causes: Causes = []
    skipped: set[Check] = set()
    first_tenant, version = None, None
    if isinstance(live, OpsError):
        causes.append((Check.LIVE_DATABASE, str(live)))
        skipped |= _OF_LIVE | _OF_AGE
    else:
        causes += live.causes
        first_tenant, version = live.first_tenant, live.identity.version
        if not live.knows_age:
            skipped |= _OF_AGE
    questions: dict[Check, Callable[[], Causes]] = {
        Check.SCRATCH_SERVER: lambda: look_at_scratch(runtime, version),
        Check.BACKUP_STORE: lambda: _look_at_backups(runtime, now, first_tenant or now),
        Check.REDIS: lambda: _of(Check.REDIS, check_redis(runtime.settings.redis_url)),
    }
    for check, found in answers(questions, seconds).items():
        if isinstance(found, OpsError):
            causes.append((check, str(found)))
            skipped |= _OF_BACKUPS if check is Check.BACKUP_STORE else set()
        else:
            causes += found
    return Findings(
        {Key(check, PLATFORM_ID): cause for check, cause in causes},
        frozenset(skipped),
    )


def _look_at_live(runtime: Runtime) -> _Live:
    with look_only(runtime.backup) as connection:
        identity = identify(connection)
        dumps = runtime.settings.concurrent_dumps or usable_cores()
        causes = [
            cause
            for finding in check_lock_budget(connection, identity.lock_slots, dumps)
            for cause in _of(Check.LOCK_BUDGET, finding)
        ]
        try:
            registry = read_registry(connection)
        except OpsError as error:
            return _Live(identity, [*causes, (Check.REGISTRY, str(error))])
    if registry.problems:
        causes.append((Check.REGISTRY, "; ".join(registry.problems)))
    first = min((tenant.created_at for tenant in registry.tenants), default=None)
    return _Live(identity, causes, first is not None or not registry.problems, first)


def look_at_scratch(runtime: Runtime, live_version: str | None) -> Causes:
    """What is wrong with a scratch server that is named; the embedded one is started when needed.

    Raises:
        ConfigurationError: its address cannot be read.
        DatabaseError: it cannot be reached.
    """
    url = runtime.settings.scratch_database_url
    if url is None:
        return []
    scratch = ConnInfo.parse(url.get_secret_value(), name="SCRATCH_DATABASE_URL")
    with scratch.connect(connect_timeout=str(CONNECT_SECONDS)) as connection:
        version = str(connection.info.parameter_status("server_version")).split()[0]
    if live_version is None:
        return []
    return _of(Check.SCRATCH_SERVER, check_scratch_major(live_version, version))


def _look_at_backups(runtime: Runtime, now: datetime, exists_since: datetime) -> Causes:
    backups = list_backups(runtime.store, None)
    targets = Targets.of(runtime.settings)
    return list(backup_problems(backups, targets, now, exists_since))


def _of(check: Check, finding: Finding) -> Causes:
    if finding.level is Level.OK:
        return []
    return [(check, f"{finding.message}; {finding.advice}")]
