"""Run our jobs in this process, against the real instance, and watch them as they go."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterEventType, DagsterInstance, Definitions, EventLogEntry
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from agentarmy_ops.errors import ConfigurationError, OpsError
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME, ranges_of
from agentarmy_ops.settings import load_settings

# The caller watches events; the console is the caller's.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Watch = Callable[[str, str | None], None]


def dagster_home() -> Path:
    """``DAGSTER_HOME``, or the working directory where that has a ``dagster.yaml``; set for this
    process and its children.

    Raises:
        ConfigurationError: neither.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd()).absolute()
    if not (home / "dagster.yaml").is_file():
        raise ConfigurationError(
            f"{home} has no dagster.yaml; run this in the project's folder or set DAGSTER_HOME"
        )
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def workspace_file(home: Path) -> Path:
    """``workspace.yaml`` of ``DAGSTER_HOME``, which says what code locations there are.

    Raises:
        ConfigurationError: there is none.
    """
    file = home / "workspace.yaml"
    if not file.is_file():
        raise ConfigurationError(f"{home} has no workspace.yaml; name one with --workspace")
    return file


@contextmanager
def open_instance() -> Iterator[DagsterInstance]:
    """The instance of ``DAGSTER_HOME``."""
    dagster_home()
    with DagsterInstance.get() as instance:
        yield instance


def run_job(
    definitions: Definitions,
    instance: DagsterInstance,
    job: str,
    slugs: Sequence[str],
    *,
    watch: Watch = lambda _asset, _slug: None,
    ops: Mapping[str, Any] | None = None,
) -> None:
    """Run a job over tenants, in as many runs as batches are needed, one after the other.

    ``watch`` is called with asset and slug whenever a tenant is recorded. ``ops`` is the ``ops``
    part of the run's configuration.

    Raises:
        OpsError: a run failed; the message is the run's own.
    """
    instance.add_dynamic_partitions(PARTITIONS_NAME, list(slugs))
    stored = instance.get_dynamic_partitions(PARTITIONS_NAME)
    for first, last in ranges_of(stored, slugs, load_settings().max_partitions_per_run):
        run_id = str(uuid.uuid4())
        failures: list[str] = []
        instance.add_event_listener(run_id, _listener(watch, failures))
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_id=run_id,
            run_config={**_QUIET, "ops": dict(ops or {})},
            tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
            raise_on_error=False,
        )
        if not result.success:
            raise OpsError(f"run {run_id} of {job} failed: {'; '.join(failures)}")


def _listener(watch: Watch, failures: list[str]) -> Callable[[EventLogEntry], None]:
    def listen(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            watch(event.asset_key.to_user_string(), event.partition)
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            user = data.user_failure_data
            failures.append((user and user.description) or data.error_display_string)

    return listen
