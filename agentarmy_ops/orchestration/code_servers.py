"""One code server for all processes of this machine that need the code."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.load_target import WorkspaceFileTarget


@contextmanager
def shared_code_servers(workspace: Path) -> Iterator[Path]:
    """Start a server for each code location of a ``workspace.yaml``; the result is another, which
    names these servers. ``dagster dev`` does the same: webserver and daemon by themselves would
    load the code once each. A server that ends is started again.

    The instance is that of ``DAGSTER_HOME``.
    """
    with (
        DagsterInstance.get() as instance,
        ProxyServerManager(instance, WorkspaceFileTarget([str(workspace)]), "WARNING") as servers,
        tempfile.TemporaryDirectory(prefix="agentarmy_ops-") as folder,
    ):
        shared = Path(folder) / "workspace.yaml"
        # JSON is YAML, too.
        shared.write_text(json.dumps({"load_from": list(servers.get_code_server_specs())}))
        yield shared
