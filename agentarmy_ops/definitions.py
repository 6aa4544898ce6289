"""The code location: everything Dagster knows of us."""

from dagster import Definitions, in_process_executor

from agentarmy_ops.observability.sentry import start_sentry
from agentarmy_ops.orchestration import assets, jobs, schedules, sensors
from agentarmy_ops.orchestration.health.sensors import (
    platform_health_sensor,
    tenant_health_sensor,
)
from agentarmy_ops.orchestration.offboard import offboard_tenant
from agentarmy_ops.orchestration.prune import prune_backups
from agentarmy_ops.orchestration.prune_run_history import prune_run_history
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.orchestration.restore import restore_tenant
from agentarmy_ops.orchestration.run_failures import run_failure_sensor
from agentarmy_ops.settings import load_settings

# Here, because both the code server and each run's process load this module.
start_sentry(load_settings(), "dagster")

defs = Definitions(
    assets=[
        assets.tenant,
        assets.tenant_backup,
        assets.restore_verification,
        assets.platform_backup,
    ],
    jobs=[
        jobs.provision_tenant,
        jobs.backup_tenants,
        jobs.verify_restores,
        prune_backups,
        prune_run_history,
        restore_tenant,
        offboard_tenant,
    ],
    schedules=[
        schedules.nightly_backup,
        schedules.weekly_restore_verification,
        schedules.nightly_prune,
        schedules.nightly_run_history_prune,
    ],
    sensors=[
        sensors.tenant_registry_sensor,
        sensors.stale_backup_sensor,
        run_failure_sensor,
        platform_health_sensor,
        tenant_health_sensor,
    ],
    resources={"ops": OpsResource()},
    # A process per step would import everything again for each.
    executor=in_process_executor,
)
