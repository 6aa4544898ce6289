"""Dagster's record of old runs: what may go, and what people and sensors still need of it.

Dagster keeps every run and event for ever. ``DagsterInstance.delete_run`` takes all events of a
run, also the newest that there is of a partition, which then looks as if it had never been
materialized; and it takes the run first, so that what is left when it is interrupted is never
found again. Here the events go first, some at a time, and the newest stay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from dagster import DagsterEventType
from dagster._core.events import PIPELINE_EVENTS
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from agentarmy_ops.orchestration.assets import restore_verification, tenant, tenant_backup
from agentarmy_ops.orchestration.partitions import PARTITIONS_NAME
from agentarmy_ops.postgres.conninfo import load_sql

Connection = psycopg.Connection[Any]

_OF_ASSETS = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION)
_OUR_ASSETS = (tenant, tenant_backup, restore_verification)
# Each a statement, and a transaction, of its own: nobody waits long for what we hold.
_RUNS_AT_ONCE = 100
_EVENTS_AT_ONCE = 5000


@dataclass(frozen=True)
class OldRuns:
    """Some runs that ended before the moment asked for, and what goes of them.

    ``gone`` go as a whole; ``kept`` stay, with their beginning and end, for an event of theirs is
    the newest of a partition. ``events`` go, of both.
    """

    gone: tuple[str, ...]
    kept: tuple[str, ...]
    events: int


def prune_runs(connection: Connection, before: datetime, *, apply: bool) -> Iterator[OldRuns]:
    """Look through all runs that ended before that moment, some at a time, and where ``apply``
    remove what may go of them before they are yielded. Runs that are queued or under way stay,
    and so do runs of backfills that are.

    ``connection`` is in autocommit mode, on Dagster's storage. Stopped at any moment, it leaves
    nothing that the next call would not find.

    Raises:
        psycopg.Error: PostgreSQL refuses, or these are not Dagster's tables.
    """
    after = 0
    while rows := connection.execute(
        load_sql(__file__, "ended_runs"),
        {
            "after": after,
            "before": before.timestamp(),
            "ended": [status.value for status in FINISHED_STATUSES],
            "done": [status.value for status in BULK_ACTION_TERMINAL_STATUSES],
            "limit": _RUNS_AT_ONCE,
        },
    ).fetchall():
        yield _prune(connection, sorted(run_id for _, run_id in rows), apply=apply)
        after = rows[-1][0]


def _prune(connection: Connection, runs: Sequence[str], *, apply: bool) -> OldRuns:
    kept, of_the_run, disposable = set[str](), dict.fromkeys(runs, 0), 0
    for events in _events(connection, runs):
        kept.update(run_id for _, run_id, _, is_newest in events if is_newest)
        old = [event for event, _, of_run, is_newest in events if not of_run and not is_newest]
        for _, run_id, of_run, _ in events:
            of_the_run[run_id] += of_run
        disposable += len(old)
        if apply and old:
            connection.execute(load_sql(__file__, "delete_events"), {"events": old})
    gone = [run_id for run_id in runs if run_id not in kept]
    if apply and gone:
        connection.execute(load_sql(__file__, "delete_runs"), {"runs": gone})
    disposable += sum(of_the_run[run_id] for run_id in gone)
    return OldRuns(tuple(gone), tuple(sorted(kept)), disposable)


def _events(
    connection: Connection, runs: Sequence[str]
) -> Iterator[list[tuple[int, str, bool, bool]]]:
    """Id, run, whether it tells of the run itself, and whether it is a partition's newest, of all
    events of the runs, some at a time."""
    after_run, after = "", 0
    while rows := connection.execute(
        load_sql(__file__, "events_of_runs"),
        {
            "runs": list(runs),
            "after_run": after_run,
            "after": after,
            "limit": _EVENTS_AT_ONCE,
            "of_the_run": [kind.value for kind in PIPELINE_EVENTS],
            "of_assets": [kind.value for kind in _OF_ASSETS],
            "our_assets": [asset.key.to_string() for asset in _OUR_ASSETS],
            "partitions": PARTITIONS_NAME,
        },
    ).fetchall():
        yield rows
        after, after_run = rows[-1][:2]
