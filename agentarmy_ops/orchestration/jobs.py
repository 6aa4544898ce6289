"""What operators and CI run by name."""

from dagster import AssetSelection, define_asset_job

from agentarmy_ops.orchestration.assets import (
    platform_backup,
    restore_verification,
    tenant,
    tenant_backup,
)
from agentarmy_ops.orchestration.policy import FIRST_IN_QUEUE, TRIED_AGAIN

provision_tenant = define_asset_job(
    "provision_tenant",
    AssetSelection.assets(tenant),
    description="Make tenants exist, whole and isolated, or repair what is missing of them.",
    run_tags=FIRST_IN_QUEUE,
)

backup_tenants = define_asset_job(
    "backup_tenants",
    AssetSelection.assets(tenant_backup, platform_backup),
    description="Back up tenants, and the platform part they may refer to.",
    run_tags=TRIED_AGAIN,
)

verify_restores = define_asset_job(
    "verify_restores",
    AssetSelection.assets(restore_verification),
    description="Prove the newest backups of tenants by restoring them into scratch databases.",
    run_tags=TRIED_AGAIN,
)
