"""The assets, in the order data flows: tenant, its backup, the proof of its restore."""

from agentarmy_ops.orchestration.assets.platform_backup import platform_backup
from agentarmy_ops.orchestration.assets.restore_verification import restore_verification
from agentarmy_ops.orchestration.assets.tenant import tenant
from agentarmy_ops.orchestration.assets.tenant_backup import tenant_backup

__all__ = ["platform_backup", "restore_verification", "tenant", "tenant_backup"]
