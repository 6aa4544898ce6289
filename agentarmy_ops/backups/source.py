"""What backups are made from, and what becomes of each tenant."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from agentarmy_ops.backups.keys import Keys
from agentarmy_ops.backups.manifest import Manifest
from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.tenants.registry import Tenant

MIB = 1 << 20


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class BackupSource:
    """The live database as the backup role, and how to read it.

    ``lock_timeout_seconds`` bounds the wait for a tenant's advisory lock and for its tables'.
    ``concurrent_dumps`` pg_dumps run at once, each of a batch whose tables' pages come to
    ``batch_bytes`` at most, or of one tenant.
    """

    conninfo: ConnInfo
    bin_dirs: tuple[Path, ...] = ()
    lock_timeout_seconds: int = 60
    compression_level: int = 3
    concurrent_dumps: int = field(default_factory=usable_cores)
    batch_bytes: int = 1024 * MIB
    keys: Keys = field(default_factory=Keys)


@dataclass(frozen=True)
class BackupOutcome:
    """What became of one tenant of a batch: a complete backup, or the reason there is none."""

    tenant: Tenant
    manifest: Manifest | None
    error: OpsError | None = None
