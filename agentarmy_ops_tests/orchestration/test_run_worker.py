"""SIGTERM to the process that executes a run: what a run launcher starts, and a platform ends."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from dagster._grpc.types import ExecuteRunArgs
from psycopg.rows import TupleRow

from agentarmy_ops.backups.catalog import list_backups
from agentarmy_ops.definitions import defs
from agentarmy_ops.tenants.lock import tenant_lock
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase

LONGEST_WAIT = 90
POINTER = ModuleCodePointer("agentarmy_ops.definitions", "defs", None)
DUMP_WAITS = """
    SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'pg_dump' AND wait_event_type = 'Lock'"""
OTHERS = """
    SELECT application_name FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state IS NOT NULL
    AND application_name <> 'watch'"""


def new_run(stack: Stack, slugs: tuple[str, str]) -> DagsterRun:
    """A run over a range of tenants, as a schedule makes it."""
    first, last = slugs
    return stack.instance.create_run_for_job(
        defs.resolve_job_def("backup_tenants"),
        run_id=str(uuid.uuid4()),
        status=DagsterRunStatus.STARTING,
        tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        job_code_origin=JobPythonOrigin(
            "backup_tenants",
            RepositoryPythonOrigin(sys.executable, POINTER, entry_point=["dagster"]),
        ),
    )


def start_worker(stack: Stack, run: DagsterRun, **variables: str) -> "subprocess.Popen[str]":
    """The command that a run launcher sends."""
    assert run.job_code_origin
    arguments = ExecuteRunArgs(
        run.job_code_origin, run.run_id, stack.instance.get_ref()
    ).get_command_args()
    assert arguments[:3] == ["dagster", "api", "execute_run"]
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def watch(app_database: AppDatabase) -> Iterator[psycopg.Connection[TupleRow]]:
    with app_database.superuser.connect(autocommit=True, application_name="watch") as connection:
        connection.execute("SET statement_timeout = '90s'")
        yield connection


def wait_until(watch: psycopg.Connection[TupleRow], query: str, *, found: bool) -> None:
    """Until the query finds rows, or none; the server waits between the looks."""
    for _ in range(LONGEST_WAIT * 10):
        if bool(watch.execute(query).fetchall()) is found:
            return
        watch.execute("SELECT pg_sleep(0.1)")
    raise AssertionError(watch.execute(OTHERS).fetchall())


def test_a_dump_under_way_is_cancelled_and_the_run_has_failed(
    stack: Stack, app_database: AppDatabase, watch: psycopg.Connection[TupleRow]
) -> None:
    stack.tenants("acme", "globex")
    run = new_run(stack, ("acme", "globex"))
    with app_database.superuser.connect(application_name="watch") as lock:
        # The dump of acme is written; that of globex comes last, and pg_dump waits for its table.
        lock.execute("LOCK TABLE tenant_globex.users IN ACCESS EXCLUSIVE MODE")
        with start_worker(stack, run, LOCK_TIMEOUT_SECONDS="600") as worker:
            wait_until(watch, DUMP_WAITS, found=True)
            worker.send_signal(signal.SIGTERM)
            _, errors = worker.communicate(timeout=LONGEST_WAIT)
        assert worker.returncode == 0, errors
        # Not even a session of pg_dump's waits on for the table, which is locked still.
        wait_until(watch, OTHERS, found=False)
        assert watch.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []
        lock.rollback()

    ended = stack.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is DagsterRunStatus.FAILURE
    assert len(list_backups(stack.runtime.store, "acme")) == 1
    assert list_backups(stack.runtime.store, "globex") == []
    with app_database.owner.connect(autocommit=True) as connection:
        for slug in ("acme", "globex"):
            with tenant_lock(connection, slug, timeout_seconds=1):
                pass


def test_a_run_that_somebody_terminates_is_canceled(
    stack: Stack, app_database: AppDatabase, watch: psycopg.Connection[TupleRow]
) -> None:
    stack.tenants("acme")
    run = new_run(stack, ("acme", "acme"))
    with app_database.superuser.connect(application_name="watch") as lock:
        lock.execute("LOCK TABLE tenant_acme.users IN ACCESS EXCLUSIVE MODE")
        with start_worker(stack, run, LOCK_TIMEOUT_SECONDS="600") as worker:
            wait_until(watch, DUMP_WAITS, found=True)
            stack.instance.report_run_canceling(run)
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=LONGEST_WAIT)
    ended = stack.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is DagsterRunStatus.CANCELED
    assert list_backups(stack.runtime.store, "acme") == []
