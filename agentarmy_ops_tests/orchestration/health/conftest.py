"""Ticks of the health sensors, one after the other, as the daemon makes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from dagster import (
    AssetObservation,
    SensorDefinition,
    SensorResult,
    SkipReason,
    build_sensor_context,
)

from agentarmy_ops.backups.reference import BackupRef, new_id
from agentarmy_ops.definitions import defs
from agentarmy_ops.observability.health.memory import Memory, decode
from agentarmy_ops.orchestration.resources import OpsResource
from agentarmy_ops_tests.fix_dagster import Stack

Change = tuple[str, str, str]
NOW = timedelta(0)


@dataclass
class Watch:
    """One sensor; ``cursor`` is what it left behind."""

    stack: Stack
    sensor: SensorDefinition
    cursor: str | None = None

    def evaluate(self) -> SensorResult | SkipReason:
        """Tick once; events are recorded and the cursor kept, as the daemon does."""
        with build_sensor_context(
            instance=self.stack.instance,
            resources={"ops": OpsResource()},
            repository_def=defs.get_repository_def(),
            cursor=self.cursor,
        ) as context:
            result = self.sensor(context)
        assert isinstance(result, SensorResult | SkipReason)
        if isinstance(result, SensorResult):
            for event in result.asset_events:
                self.stack.instance.report_runless_asset_event(event)
            self.cursor = result.cursor
        return result

    def tick(self) -> list[Change]:
        """Tick once; whose check has changed, and to what."""
        return sorted(
            (event.partition or event.asset_key.to_user_string(), check(event), status(event))
            for event in self.events()
        )

    def events(self) -> list[AssetObservation]:
        """Tick once; what it recorded."""
        result = self.evaluate()
        assert isinstance(result, SensorResult), result.skip_message
        events = [event for event in result.asset_events if isinstance(event, AssetObservation)]
        assert len(events) == len(result.asset_events)
        return events

    @property
    def memory(self) -> Memory:
        """What the cursor holds."""
        memory = decode(self.cursor)
        assert memory is not None
        return memory

    def forget_when(self) -> None:
        """As if it had looked at everything last in 1970."""
        self.cursor = replace(self.memory, checked_at=1).encode()


def text(event: AssetObservation, name: str) -> str:
    value = event.metadata[name].value
    assert isinstance(value, str)
    return value


def check(event: AssetObservation) -> str:
    return text(event, "check")


def status(event: AssetObservation) -> str:
    return text(event, "status")


def cause(event: AssetObservation) -> str:
    return text(event, "cause")


Put = Callable[..., BackupRef]


@pytest.fixture
def put(stack: Stack) -> Put:
    """Put a complete backup into the store, as a listing shows it."""

    def put(slug: str | None, age: timedelta = NOW, verdict: str | None = "verified") -> BackupRef:
        ref = BackupRef(slug, new_id(datetime.now(UTC) - age))
        names = [ref.archive, ref.manifest]
        if verdict:
            names.append(ref.verification(new_id(), verdict))
        for name in names:
            with stack.runtime.store.create(name) as writer:
                writer.write(b"-")
        return ref

    return put
