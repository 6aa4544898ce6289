"""A fleet in which each kind of trouble happens to somebody, and a Dagster that is not well."""

import shutil
import time
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, SensorDefinition
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._core.utils import make_new_run_id
from dagster._daemon.types import DaemonHeartbeat

from agentarmy_ops.backups.create import back_up_tenants
from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.observability.health.changes import Seen
from agentarmy_ops.observability.health.memory import Memory
from agentarmy_ops.observability.health.problem import PLATFORM_ID, Check, Key
from agentarmy_ops.orchestration.health.sensors import (
    platform_health_sensor,
    tenant_health_sensor,
)
from agentarmy_ops_tests.fix_backups import Lab

_REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("agentarmy_ops"), "any")

# Proven a moment ago, and well but for the time that a restore takes.
WELL = "well"
# Backups made that long ago, and verified then or not.
_MOVED = {
    "stale": timedelta(hours=28),
    "forgotten": timedelta(days=3),
    "unproven": timedelta(days=2),
    "asleep": timedelta(days=3),
    "ahead": -timedelta(hours=2),
}
_VERIFIED = (WELL, "stale", "forgotten", "asleep", "damaged")
# The settings by which they are judged.
TARGETS = {
    "BACKUP_FRESHNESS_HOURS": "26",
    "VERIFICATION_FRESHNESS_DAYS": "1",
    "RESTORE_TARGET_SECONDS": "0.001",
}
# Which alerts that is, and about whom; None: about no tenant.
ALERTS: dict[str, set[str | None]] = {
    "AgentArmyBackupStale": {"stale", "forgotten", "unproven"},
    "AgentArmyManyBackupsStale": {None},
    "AgentArmyBackupMissing": {"bare"},
    "AgentArmyVerificationFailed": {"damaged"},
    "AgentArmyVerificationOverdue": {"stale", "forgotten"},
    "AgentArmyRecoveryPointOld": {"forgotten"},
    "AgentArmyNothingProven": {"unproven"},
    "AgentArmyRestoreSlow": {WELL, "stale", "forgotten", "platform"},
    "AgentArmySchemaMissing": {"dropped"},
    "AgentArmyClockAhead": {None},
    "AgentArmyDaemonDead": {None},
    "AgentArmyQueueStuck": {None},
    "AgentArmyAuthFailures": {None},
    "AgentArmyIsolationBroken": {"asleep"},
    "AgentArmyHealthProblem": {"platform"},
    "AgentArmyHealthUnchecked": {None},
}


def make_trouble(lab: Lab) -> None:
    """Fill an empty database and its store."""
    slugs = {*_MOVED, *_VERIFIED, "dropped"}
    for slug in {*slugs, "bare"}:
        lab.add_small_tenant(slug)
    tenants = [lab.tenants[slug] for slug in sorted(slugs)]
    refs = {}
    for outcome in back_up_tenants(lab.source(), lab.store, tenants):
        assert outcome.manifest, outcome.error
        refs[outcome.manifest.ref.slug] = outcome.manifest.ref
    lab.back_up_platform()
    (lab.root / refs["damaged"].archive).write_bytes(b"anything else")
    lab.verify(*(refs[slug] for slug in _VERIFIED))
    for slug, ago in _MOVED.items():
        _move(lab, refs[slug], ago)
    lab.run("DROP SCHEMA tenant_dropped CASCADE")
    lab.run("UPDATE shared.tenants SET is_active = false WHERE slug = 'asleep'")


def _move(lab: Lab, ref: BackupRef, ago: timedelta) -> None:
    """As if the backup, and what was found of it, had been made that long ago."""
    moved = BackupRef(ref.slug, new_id(datetime.now(UTC) - ago))
    folder = lab.root / moved.prefix
    shutil.move(lab.root / ref.prefix, folder)
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace(ref.backup_id, moved.backup_id))


def neglect(instance: DagsterInstance, lab: Lab) -> None:
    """A daemon that died, one that lives, a run that waits for hours, and one that is done; what
    health sensors found, one of which has not looked for hours."""
    now = datetime.now(UTC)
    for daemon, ago in (("SENSOR", 3600), ("SCHEDULER", 0)):
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, daemon, "its id"))
    for status in (DagsterRunStatus.QUEUED, DagsterRunStatus.SUCCESS):
        run = DagsterRun(
            job_name="backup_tenants",
            run_id=make_new_run_id(),
            status=status,
            remote_job_origin=RemoteJobOrigin(_REPOSITORY, "backup_tenants"),
        )
        instance.run_storage.add_historical_run(run, now - timedelta(hours=3))
    open_to_all = Key(Check.ROW_LEVEL_SECURITY, str(lab.tenants["asleep"].id))
    late = Key(Check.STALE_BACKUP, str(lab.tenants["stale"].id))
    _looked(instance, tenant_health_sensor, 0, open_to_all, late)
    _looked(instance, platform_health_sensor, 7200, Key(Check.SCRATCH_SERVER, PLATFORM_ID))


def _looked(
    instance: DagsterInstance, sensor: SensorDefinition, seconds_ago: int, *found: Key
) -> None:
    """A health sensor that found this that long ago."""
    then = int(time.time()) - seconds_ago
    memory = Memory(then, {key: Seen(then, raised=True) for key in found})
    instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(_REPOSITORY, sensor.name),
            InstigatorType.SENSOR,
            InstigatorStatus.RUNNING,
            SensorInstigatorData(last_tick_timestamp=float(then), cursor=memory.encode()),
        )
    )
