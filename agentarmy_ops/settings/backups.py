"""The variables of databases, stores, backups and schedules."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class Environment(StrEnum):
    """Where the software runs."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"


class BackupSettings(BaseSettings):
    """What is backed up, from where, to where, when, and how."""

    environment: Environment = Field(
        Environment.DEVELOPMENT,
        description=(
            "development, testing, staging or production; production refuses what is unsafe"
        ),
    )
    agentarmy_home: Path = Field(
        Path(".agentarmy"),
        description="Folder of everything kept locally: embedded servers, backups, secrets, logs",
    )
    database_url: SecretStr | None = Field(
        None,
        description="Application database, as the role that owns tenant schemas; unset: embedded",
    )
    backup_database_url: SecretStr | None = Field(
        None,
        description=(
            "The same database as agentarmy_backup (BYPASSRLS, pg_read_all_data, read-only); "
            "unset: DATABASE_URL"
        ),
    )
    dagster_database_url: SecretStr | None = Field(
        None, description="Dagster's run, event-log and schedule storage; unset: embedded"
    )
    scratch_database_url: SecretStr | None = Field(
        None,
        description=(
            "A throw-away server of the application's PostgreSQL major, never the live one, where "
            "verification creates and drops databases; unset: embedded"
        ),
    )
    embedded_postgres_version: int = Field(
        16, description="PostgreSQL major of the embedded application server: 16 or 18"
    )
    postgres_bin_dirs: str = Field(
        "",
        description=(
            "Folders with pg_dump and pg_restore, separated by ':'; searched before the system's "
            "and the embedded ones"
        ),
    )
    backup_store_url: str | None = Field(
        None,
        description=(
            "file:///path or gs://bucket/prefix of the backup store; unset: AGENTARMY_HOME/backups"
        ),
    )
    secrets_store_url: str | None = Field(
        None,
        description=(
            "file:///path of the secrets store, or sm://project of Google Secret Manager; unset: "
            "AGENTARMY_HOME/secrets"
        ),
    )
    redis_url: SecretStr | None = Field(
        None, description="Redis that receives t:{tenant_id}:initialized; unset: no Redis"
    )
    tenant_sql_dir: Path | None = Field(
        None, description="Folder of *.sql files that replaces the built-in tenant template"
    )
    backup_compression_level: int = Field(3, ge=1, le=19, description="zstd level of archives")
    backup_encryption: bool | None = Field(
        None,
        description=(
            "Whether archives are encrypted with age, each tenant's with a key of its own; unset: "
            "yes, but in development"
        ),
    )
    backup_recovery_recipient: str | None = Field(
        None,
        description=(
            "age recipient (age1…) that can decrypt every archive, too; keep its identity offline. "
            "Unset: a tenant's backups are lost with its key"
        ),
    )
    keep_daily: int = Field(
        7, ge=0, description="Backups kept of each tenant, one for each of the last days with any"
    )
    keep_weekly: int = Field(5, ge=0, description="The same for weeks, which begin on Monday (UTC)")
    keep_monthly: int = Field(12, ge=0, description="The same for months")
    offboarding_cooling_off_days: float = Field(
        30,
        ge=0,
        description="Days between the request to erase a tenant and its erasure",
    )
    concurrent_dumps: int | None = Field(
        None, ge=1, description="pg_dumps at a time in one process; unset: one per core"
    )
    dump_batch_mib: int = Field(
        1024,
        ge=1,
        description=(
            "MiB of tables that tenants who share a pg_dump may have; a larger one goes alone"
        ),
    )
    concurrent_verifications: int | None = Field(
        None,
        ge=1,
        description=(
            "Scratch databases that backups are restored into at once; unset: as many as cores"
        ),
    )
    lock_timeout_seconds: int = Field(
        60, ge=1, description="How long to wait for a tenant's or a table's lock, in seconds"
    )
    max_partitions_per_run: int = Field(
        1000, ge=1, description="Tenants per Dagster run in schedules, backfills and the sensor"
    )
    backup_freshness_hours: float = Field(
        26, ge=1, description="A tenant whose newest backup is older than this, in hours, is stale"
    )
    nightly_backup_cron: str = Field("0 2 * * *", description="Cron of the nightly_backup schedule")
    weekly_verification_cron: str = Field(
        "0 5 * * 0", description="Cron of the weekly_restore_verification schedule"
    )
    prune_cron: str = Field("0 6 * * *", description="Cron of the nightly_prune schedule")
    run_history_days: float = Field(
        90,
        ge=1,
        description=(
            "Days for which Dagster's record of a run is kept after its end; what is newest of a "
            "tenant stays"
        ),
    )
    run_history_prune_cron: str = Field(
        "30 6 * * *", description="Cron of the nightly_run_history_prune schedule"
    )
    schedule_timezone: str = Field("UTC", description="Time zone of the schedules")
    scratch_database_max_age_hours: float = Field(
        24, gt=0, description="Scratch databases older than this, in hours, are dropped"
    )

    verification_freshness_days: float = Field(
        8,
        gt=0,
        description=(
            "A tenant whose newest backup that was verified is older than this, in days, is overdue"
        ),
    )
    restore_target_seconds: float = Field(
        3600,
        gt=0,
        description="Recovery time objective: how long a tenant's restore may take, in seconds",
    )

    @field_validator("agentarmy_home", "tenant_sql_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("embedded_postgres_version")
    @classmethod
    def _embedded_major(cls, value: int) -> int:
        if value not in (16, 18):
            raise ValueError("the embedded PostgreSQL comes as 16 or 18")
        return value

    @property
    def encrypts_backups(self) -> bool:
        """``BACKUP_ENCRYPTION``, or what it is where unset."""
        if self.backup_encryption is None:
            return self.environment is not Environment.DEVELOPMENT
        return self.backup_encryption

    @property
    def bin_dirs(self) -> list[Path]:
        """``POSTGRES_BIN_DIRS`` as paths."""
        return [Path(part) for part in self.postgres_bin_dirs.split(":") if part]
