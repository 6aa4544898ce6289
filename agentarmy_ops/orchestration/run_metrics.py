"""Dagster's runs, queue and daemons as metrics."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, cast

import sqlalchemy
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.runs.schema import RunsTable
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.observability.background import Background

if TYPE_CHECKING:
    from dagster._core.storage.runs import SqlRunStorage

REFRESH_SECONDS = 10.0


@dataclass(frozen=True)
class DagsterFacts:
    """``runs`` are numbers by job and status. The rest are Unix times in seconds: of the reading,
    of the creation of the run that waits longest, of each daemon's last heartbeat."""

    read_at: float
    runs: Mapping[tuple[str, DagsterRunStatus], int]
    oldest_queued: float | None
    heartbeats: Mapping[str, float]

    @property
    def queued(self) -> int:
        """Runs that wait to be started."""
        return sum(n for (_, status), n in self.runs.items() if status is DagsterRunStatus.QUEUED)


class DagsterMetrics(Background[DagsterFacts], Collector):
    """A collector that never asks Dagster's storage itself: a thread does, every 10 seconds."""

    def __init__(self, instance: DagsterInstance, refresh_seconds: float = REFRESH_SECONDS) -> None:
        def read(_: threading.Event) -> DagsterFacts:
            return read_dagster(instance)

        super().__init__("Dagster metrics", read, refresh_seconds)

    def collect(self) -> Iterator[Metric]:
        """Called for each scrape."""
        facts, error = self.current, self.error
        if facts or error:
            yield GaugeMetricFamily(
                "agentarmy_dagster_read_failed",
                "Whether Dagster's storage could not be read the last time.",
                value=error is not None,
            )
        if facts:
            yield from _families(facts)


def read_dagster(instance: DagsterInstance) -> DagsterFacts:
    """Ask the instance's storage, in three queries.

    Raises:
        DatabaseError: it cannot be read.
    """
    read_at = time()
    storage = cast("SqlRunStorage", instance.run_storage)  # as all of Dagster's own are
    # Dagster's own counting is a query for each job and status.
    job, status = RunsTable.c.pipeline_name, RunsTable.c.status
    counting = sqlalchemy.select(job, status, sqlalchemy.func.count()).group_by(job, status)
    try:
        with storage.connect() as connection:
            counted = connection.execute(counting).all()
        queued = RunsFilter(statuses=[DagsterRunStatus.QUEUED])
        oldest = instance.get_run_records(queued, limit=1, ascending=True)
        heartbeats = instance.get_daemon_heartbeats()
        needed = set(instance.get_required_daemon_types())
    except (SQLAlchemyError, DagsterPostgresException) as error:
        raise DatabaseError(f"cannot read Dagster's storage: {_cause(error)}") from None
    return DagsterFacts(
        read_at=read_at,
        runs={(name, DagsterRunStatus(word)): number for name, word, number in counted},
        oldest_queued=oldest[0].create_timestamp.timestamp() if oldest else None,
        # Dagster keeps those of daemons that it has no use for any more.
        heartbeats={name: beat.timestamp for name, beat in heartbeats.items() if name in needed},
    )


def _cause(error: BaseException) -> str:
    """What the driver said, without the statement that SQLAlchemy adds."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _families(facts: DagsterFacts) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "agentarmy_dagster_read_timestamp_seconds",
        "When Dagster's storage was read last.",
        value=facts.read_at,
    )
    runs = GaugeMetricFamily(
        "agentarmy_dagster_runs",
        "Runs in Dagster's storage, however old.",
        labels=["job_name", "status"],  # "job" is what Prometheus calls the target
    )
    for (job, status), number in facts.runs.items():
        runs.add_metric([job, status.value], number)
    yield runs
    yield GaugeMetricFamily(
        "agentarmy_dagster_queued_runs", "Runs that wait to be started.", value=facts.queued
    )
    if facts.oldest_queued is not None:
        yield GaugeMetricFamily(
            "agentarmy_dagster_oldest_queued_run_timestamp_seconds",
            "When the run that waits longest was created.",
            value=facts.oldest_queued,
        )
    heartbeats = GaugeMetricFamily(
        "agentarmy_dagster_daemon_heartbeat_timestamp_seconds",
        "Last heartbeat of a daemon.",
        labels=["daemon"],
    )
    for daemon, moment in sorted(facts.heartbeats.items()):
        heartbeats.add_metric([daemon], moment)
    yield heartbeats
