"""What the health sensors know, as metrics."""

import threading
from collections.abc import Iterator, Mapping

from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.health.memory import Memory, decode
from agentarmy_ops.orchestration.health.sensors import (
    platform_health_sensor,
    tenant_health_sensor,
)

REFRESH_SECONDS = 10.0
_SENSORS = frozenset({platform_health_sensor.name, tenant_health_sensor.name})


class HealthMetrics(Background[Mapping[str, Memory]], Collector):
    """A collector that never asks Dagster's storage itself: a thread does, every 10 seconds. While
    it cannot, the last answer stays; ``agentarmy_health_checked_timestamp_seconds`` shows its age.
    """

    def __init__(self, instance: DagsterInstance, refresh_seconds: float = REFRESH_SECONDS) -> None:
        def read(_: threading.Event) -> Mapping[str, Memory]:
            return read_memories(instance)

        super().__init__("health sensors", read, refresh_seconds)

    def collect(self) -> Iterator[Metric]:
        """Called for each scrape."""
        if self.current is None:
            return
        problems = GaugeMetricFamily(
            "agentarmy_health_problem",
            "1 for each problem that is there now, by check, of a tenant or the platform.",
            labels=["check", "tenant_id"],
        )
        checked = GaugeMetricFamily(
            "agentarmy_health_checked_timestamp_seconds",
            "When a health sensor could last look at all that it looks at.",
            labels=["sensor"],
        )
        for name, memory in sorted(self.current.items()):
            for key in sorted(key for key, state in memory.seen.items() if state.raised):
                problems.add_metric([key.check.value, key.tenant_id], 1)
            if memory.checked_at is not None:
                checked.add_metric([name], memory.checked_at)
        yield problems
        yield checked


def read_memories(instance: DagsterInstance) -> dict[str, Memory]:
    """What each health sensor knows, by its name, from its cursor.

    Raises:
        DatabaseError: Dagster's storage cannot be read.
    """
    try:
        states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    except (SQLAlchemyError, DagsterPostgresException) as error:
        # Not its text, which holds the statement.
        raise DatabaseError(
            f"cannot read the sensors' state in Dagster's storage ({type(error).__name__})"
        ) from None
    found: dict[str, tuple[float, Memory]] = {}
    for state in states:
        name, data = state.instigator_name, state.instigator_data
        if name not in _SENSORS or not isinstance(data, SensorInstigatorData):
            continue
        # Loaded under another name, the same sensor has a state of its own: the last to tick.
        ticked_at = data.last_tick_timestamp or 0.0
        if name not in found or ticked_at > found[name][0]:
            found[name] = (ticked_at, decode(data.cursor) or Memory())
    return {name: memory for name, (_, memory) in found.items()}
