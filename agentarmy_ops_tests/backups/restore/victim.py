"""A restore in a process of its own, that stops before one of its steps until it is killed."""

import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from agentarmy_ops.backups.restore.session import Restorer
from agentarmy_ops.backups.restore.steps import Step
from agentarmy_ops.backups.restore.stored import choose_backup
from agentarmy_ops.backups.restore.swap import restore_tenant
from agentarmy_ops.errors import OpsError
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.stores.local import LocalStore

NAME = "victim"


@dataclass(frozen=True)
class Orders:
    """What to restore, and before which step, counted from 0, to stop (None: never)."""

    database: ConnInfo
    root: Path
    stop_before: int | None


def run(orders: Orders, pipe: Connection) -> None:
    """Restore acme. Sends the step it stops before, or the error it failed with, or None."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    told = 0

    def watch(step: Step, table: str) -> None:
        nonlocal told
        if told == orders.stop_before:
            pipe.send(f"{step} {table}".strip())
            pipe.recv()  # until the test lets go, or kills us
        told += 1

    store = LocalStore(orders.root)
    database = orders.database.with_params(application_name=NAME)
    try:
        restore_tenant(Restorer(database, store, watch=watch), choose_backup(store, "acme"))
    except OpsError as error:
        pipe.send(error.message)
    else:
        pipe.send(None)
