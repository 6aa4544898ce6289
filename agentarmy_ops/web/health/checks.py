"""What the gateway needs, each asked the cheapest question that only a healthy one can answer."""

import os
import time
from collections.abc import Callable

import redis
from dagster import DagsterInstance
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.workspace.workspace import CurrentWorkspace
from pydantic import SecretStr

from agentarmy_ops.doctor.disk import nearest_folder
from agentarmy_ops.localfiles import path_of_url
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.stores.base import Store
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.web.health.causes import NotWell

# Seconds; libpq takes no less for a connection.
_TIMEOUT = 2
# Each daemon writes one every 30 seconds; a tick that takes long may put it off.
HEARTBEAT_SECONDS = 300


def check_database(conninfo: ConnInfo) -> None:
    """The server lets us in and answers a query.

    Raises:
        DatabaseError: it does not.
    """
    limited = conninfo.given_up_after(_TIMEOUT)
    with limited.connect(autocommit=True, connect_timeout=str(_TIMEOUT)) as connection:
        connection.execute("SELECT 1")


def check_redis(url: SecretStr) -> None:
    """Redis answers a ping.

    Raises:
        redis.RedisError: it does not.
    """
    with redis.Redis.from_url(
        url.get_secret_value(), socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
    ) as client:
        client.ping()


class StoreCheck:
    """The store can be listed. A folder is made by the first backup; one that was there must stay,
    and one that was not must be possible."""

    def __init__(self, store: Callable[[], Store]) -> None:
        """``store`` is called each time: one that cannot be opened now may be later."""
        self._store = store
        self._was_there = False

    def __call__(self) -> None:
        """Ask for the first of the outermost folders.

        Raises:
            StoreError: the store does not answer.
            NotWell: its folder has gone.
        """
        store = self._store()
        if isinstance(store, LocalStore):
            folder = path_of_url(store.url, name="BACKUP_STORE_URL")
            if folder.is_dir():
                self._was_there = True
            elif self._was_there:
                raise NotWell("the folder has gone")
            elif not os.access(nearest_folder(folder), os.W_OK | os.X_OK):
                raise NotWell("the folder is not there and cannot be made")
        next(iter(store.list_folders("")), None)


def check_daemon(instance: DagsterInstance) -> None:
    """Every daemon the instance needs wrote a heartbeat within :data:`HEARTBEAT_SECONDS`.

    Raises:
        NotWell: one did not; it names which.
    """
    heartbeats = instance.get_daemon_heartbeats()
    oldest = time.time() - HEARTBEAT_SECONDS
    silent = [
        name.lower()
        for name in instance.get_required_daemon_types()
        if name not in heartbeats or heartbeats[name].timestamp < oldest
    ]
    if silent:
        raise NotWell(f"no heartbeat for {HEARTBEAT_SECONDS} s of {', '.join(silent)}")


def check_code_locations(workspace: CurrentWorkspace) -> None:
    """Every code location is loaded, and its server answers.

    Raises:
        NotWell: one is not; the UI shows why.
        DagsterUserCodeUnreachableError: a server does not.
    """
    for name, entry in workspace.code_location_entries.items():
        if entry.code_location is None:
            raise NotWell(f"{name} is not loaded; the UI shows why")
        if isinstance(entry.code_location, GrpcServerCodeLocation):
            entry.code_location.client.ping("health")
