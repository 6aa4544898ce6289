"""The sensors' cursors as metrics, from Dagster's storage to the text that Prometheus reads."""

from time import time

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from prometheus_client import CollectorRegistry, generate_latest

from agentarmy_ops.observability.health.changes import Seen
from agentarmy_ops.observability.health.memory import Memory
from agentarmy_ops.observability.health.problem import Check, Key
from agentarmy_ops.orchestration.health.metrics import HealthMetrics
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_dagster import Stack

TICKED_AT = 1_800_000_000


def remember(
    stack: Stack, sensor: str, cursor: str | None, *, location: str = "here", ticked_at: float = 1.0
) -> None:
    """As the daemon does after a tick."""
    target = LoadableTargetOrigin(module_name="agentarmy_ops.definitions")
    origin = RemoteInstigatorOrigin(
        repository_origin=RemoteRepositoryOrigin(
            code_location_origin=InProcessCodeLocationOrigin(target, location_name=location),
            repository_name="__repository__",
        ),
        instigator_name=sensor,
    )
    data = SensorInstigatorData(cursor=cursor, last_tick_timestamp=ticked_at)
    stack.instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data)
    )


def exposed(metrics: HealthMetrics) -> list[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_what_the_sensors_know_is_exported(stack: Stack, environment: dict[str, str]) -> None:
    metrics = HealthMetrics(stack.instance)
    assert exposed(metrics) == []
    known = {
        Key(Check.STALE_BACKUP, "6c4d"): Seen(1, True),
        Key(Check.ROW_LEVEL_SECURITY, "6c4d"): Seen(1, True),
        Key(Check.REDIS, "platform"): Seen(1, False),  # not yet for sure
    }
    remember(stack, "tenant_health_sensor", Memory(TICKED_AT, known).encode())
    remember(stack, "platform_health_sensor", "not ours")
    remember(stack, "stale_backup_sensor", Memory(TICKED_AT, known).encode())
    metrics.refresh_now()
    assert exposed(metrics) == [
        'agentarmy_health_problem{check="row-level-security",tenant_id="6c4d"} 1.0',
        'agentarmy_health_problem{check="stale-backup",tenant_id="6c4d"} 1.0',
        'agentarmy_health_checked_timestamp_seconds{sensor="tenant_health_sensor"} 1.8e+09',
    ]
    # The code location goes by another name since; the old one's state stays in the storage.
    remember(
        stack,
        "tenant_health_sensor",
        Memory(TICKED_AT + 60).encode(),
        location="there",
        ticked_at=time(),
    )
    metrics.refresh_now()
    (line,) = exposed(metrics)
    assert line.endswith('{sensor="tenant_health_sensor"} 1.80000006e+09')
    with ConnInfo.parse(environment["DAGSTER_DATABASE_URL"]).connect() as connection:
        connection.execute("ALTER TABLE jobs RENAME TO others; ALTER TABLE instigators RENAME TO o")
    metrics.refresh_now()
    assert exposed(metrics) == [line]
    assert "cannot read the sensors' state in Dagster's storage" in str(metrics.error)
