"""Dagster's daemon in this process."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import daemon_controller_from_instance
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers


def run_daemon(workspace_files: Sequence[Path]) -> None:
    """Do what ``dagster-daemon run`` does, for the instance of ``DAGSTER_HOME``, until SIGTERM or
    Ctrl-C: evaluate schedules and sensors, start queued runs, watch those under way.

    Its log is that of this process, where Dagster's command writes one of its own.

    Raises:
        Exception: one of its threads has died; whoever started this process starts another.
    """
    setup_interrupt_handlers()
    target = WorkspaceFileTarget([str(file) for file in workspace_files])
    try:
        # What arrives while it starts counts once it runs.
        with (
            capture_interrupts(),
            DagsterInstance.get() as instance,
            daemon_controller_from_instance(
                instance, target, code_server_log_level="warning"
            ) as controller,
        ):
            _log_as_this_process()
            controller.check_daemon_loop()
    except KeyboardInterrupt:
        return


def _log_as_this_process() -> None:
    """Take away the handler that the controller gave Dagster's loggers: what is logged by them
    reaches those of this process, too, and was written twice."""
    logging.getLogger("dagster").handlers.clear()
