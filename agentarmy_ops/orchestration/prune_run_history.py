"""Remove what Dagster recorded of old runs, which it never does by itself."""

from datetime import UTC, datetime, timedelta

import psycopg
from dagster import Config, DagsterInstance, MetadataValue, OpExecutionContext, job, op
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster_postgres.event_log import PostgresEventLogStorage
from pydantic import Field

from agentarmy_ops.errors import DatabaseError, OpsError
from agentarmy_ops.orchestration.failures import fail
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops.orchestration.run_history import prune_runs
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.postgres.reasons import reason


class PruneRunHistoryConfig(Config):
    """Whether to do it."""

    apply: bool = Field(default=False, description="Remove it; otherwise it is only counted")


@op(description="Remove what Dagster recorded of old runs, but the newest of each partition.")
def prune_history(
    context: OpExecutionContext, config: PruneRunHistoryConfig, ops: OpsResource
) -> None:
    """Prune runs that ended more than ``RUN_HISTORY_DAYS`` ago; the totals are metadata."""
    days = ops.runtime.settings.run_history_days
    before = datetime.now(UTC) - timedelta(days=days)
    gone = kept = events = 0
    try:
        with _storage(context.instance).connect(autocommit=True) as connection:
            for found in prune_runs(connection, before, apply=config.apply):
                gone, kept = gone + len(found.gone), kept + len(found.kept)
                events += found.events
                context.log.info(f"{gone} runs with {events} events, {kept} runs stay")
                if config.apply:
                    _remove_output(context.instance, (*found.gone, *found.kept))
    except OpsError as error:
        raise fail(context, error) from None
    except psycopg.Error as error:
        failure = DatabaseError(f"cannot prune Dagster's storage: {reason(error)}")
        raise fail(context, failure) from None
    context.add_output_metadata(
        {
            "runs": gone,
            "events": events,
            "runs_kept_for_their_newest": kept,
            "ended_before": before.isoformat(timespec="seconds"),
            "applied": MetadataValue.bool(config.apply),
        }
    )


def _storage(instance: DagsterInstance) -> ConnInfo:
    storage = instance.event_log_storage
    if not isinstance(storage, PostgresEventLogStorage):
        raise OpsError(
            "Dagster's storage is not PostgreSQL: nothing was pruned; set DAGSTER_HOME to the "
            "folder of this project's dagster.yaml"
        )
    return ConnInfo.parse(storage.postgres_url, name="DAGSTER_DATABASE_URL")


def _remove_output(instance: DagsterInstance, run_ids: tuple[str, ...]) -> None:
    """What the runs' processes printed, where it is in a folder of this machine. A bucket's
    lifecycle rule does the same for less."""
    logs = instance.compute_log_manager
    if isinstance(logs, LocalComputeLogManager):
        for run_id in run_ids:
            logs.delete_logs(prefix=[run_id])


@job(
    description=(
        "Remove what Dagster recorded of runs that ended long ago, but the newest of each "
        "partition. Only counts it unless `apply`."
    ),
)
def prune_run_history() -> None:
    """See :func:`prune_history`."""
    prune_history()
