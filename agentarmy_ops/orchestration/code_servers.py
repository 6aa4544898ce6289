"""Code servers: one for all processes of this machine that need the code, or one by itself."""

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dagster import DagsterInstance
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import FuturesAwareThreadPoolExecutor
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc.server import (
    CouldNotBindGrpcServerToAddress,
    DagsterApiServer,
    DagsterGrpcServer,
)
from dagster._utils.interrupts import setup_interrupt_handlers

from agentarmy_ops.errors import ConfigurationError

LOCATION = "agentarmy_ops"
_MODULE = "agentarmy_ops.definitions"


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


def serve_code(host: str, port: int, socket: Path | None = None) -> None:
    """Serve the code location as ``dagster api grpc`` does, until SIGTERM or Ctrl-C; on a Unix
    socket, where one is given, instead of an address. Runs that are processes of this one are
    waited for before it ends.

    One process that has the code loaded, and fails to start when it does not load. ``dagster
    code-server start`` has a second one before it, which can load the code anew: in an image it
    never changes, and whatever restarts the container restarts it whole.

    No working directory is given, so nothing that lies there is ever imported.

    Raises:
        ConfigurationError: it cannot listen there.
    """
    setup_interrupt_handlers()
    logger = logging.getLogger("dagster.code_server")
    logger.setLevel(logging.INFO)
    ended = threading.Event()
    threads = FuturesAwareThreadPoolExecutor()
    with suppress(KeyboardInterrupt):
        code = DagsterApiServer(
            server_termination_event=ended,
            logger=logger,
            server_threadpool_executor=threads,
            loadable_target_origin=LoadableTargetOrigin(
                executable_path=sys.executable, module_name=_MODULE
            ),
            location_name=LOCATION,
            # Dagster's own variable: a run is started with the image of the code that made it.
            container_image=os.environ.get("DAGSTER_CURRENT_IMAGE"),
        )
        where = f"socket {socket}" if socket else f"{host}, port {port}"
        try:
            server = DagsterGrpcServer(
                ended,
                code,
                logger,
                threads,
                host=host,
                port=None if socket else port,
                socket=str(socket) if socket else None,
            )
        except (CouldNotBindGrpcServerToAddress, RuntimeError) as error:
            raise ConfigurationError(
                f"cannot listen on {where}; give a free one with --port or --socket"
            ) from error
        logger.info("Code server: %s (Ctrl-C ends it)", where)
        server.serve()  # type: ignore[no-untyped-call]
