"""Dagster's UI behind the gateway's door, over an instance of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dagster import AssetKey, DagsterInstance
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.sync.client import ClientConnection

from agentarmy_ops.web.auth.access import create_access
from agentarmy_ops.web.dagster_ui import RoleAwareWorkspace, create_dagster_ui
from agentarmy_ops_tests.web.site import TOKENS, Site, served, settings_of

LIMIT = 'setConcurrencyLimit(concurrencyKey: "k", limit: 1)'
MUTATION = f"mutation Change {{ {LIMIT} }}"
QUERY = "query Look { version }"


@dataclass(frozen=True)
class DagsterSite(Site):
    """What was changed is looked up in the instance."""

    instance: DagsterInstance

    @property
    def is_changed(self) -> bool:
        """Whether :data:`MUTATION` was executed, or an event of the asset ``a`` reported, since
        this was last asked."""
        storage = self.instance.event_log_storage
        key = AssetKey("a")
        changed = bool(storage.get_concurrency_keys()) or self.instance.has_asset_key(key)
        storage.delete_concurrency_limit("k")
        self.instance.wipe_assets([key])
        return changed


@contextmanager
def dagster_site() -> Iterator[DagsterSite]:
    """Without a code location, which what is tried here needs none of."""
    with (
        DagsterInstance.local_temp() as instance,
        RoleAwareWorkspace(instance, None) as workspace,
    ):
        ui = create_dagster_ui(workspace, live_data_poll_ms=2000)
        access = create_access(settings_of(**TOKENS))
        app = Starlette(routes=[*access.routes, Mount("/", ui)])
        with served(access.protect(app)) as site:
            yield DagsterSite(site.port, instance)


def start(websocket: ClientConnection, query: str, name: str | None = None) -> dict[str, Any]:
    """What a subscription's start is answered with."""
    websocket.send(json.dumps({"type": "connection_init"}))
    assert json.loads(websocket.recv(60))["type"] == "connection_ack"
    payload = {"query": query, "operation_name": name}
    websocket.send(json.dumps({"type": "start", "id": "1", "payload": payload}))
    answer: dict[str, Any] = json.loads(websocket.recv(60))
    return answer
