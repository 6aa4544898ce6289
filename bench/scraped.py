"""``python -m bench.scraped DATABASE STORE``: a process that serves /metrics, and two more routes.

``/trivial`` is answered at once; ``/read`` reads the fleet anew and says how long it took. The
port is printed.
"""

import socket
import sys
from pathlib import Path
from time import monotonic

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentarmy_ops.observability.exporter import Exporter
from agentarmy_ops.observability.fleet.cache import FleetCache
from agentarmy_ops.observability.fleet.read import FleetReader
from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops.settings import Settings
from agentarmy_ops.stores.local import LocalStore
from agentarmy_ops.web.metrics import metrics_route


def serve(database: ConnInfo, root: Path) -> None:
    """Serve on a port of its own until killed."""
    reader = FleetReader(lambda: LocalStore(root), lambda: database.connect(autocommit=True))
    cache = FleetCache(reader, refresh_seconds=3600)
    exporter = Exporter(cache, Settings())

    async def trivial(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    def read(_: Request) -> PlainTextResponse:
        started = monotonic()
        cache.refresh_now()
        if cache.error:
            return PlainTextResponse(cache.error, status_code=500)
        return PlainTextResponse(str(monotonic() - started))

    app = Starlette(
        routes=[Route("/trivial", trivial), Route("/read", read), metrics_route(exporter)]
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve(ConnInfo.parse(sys.argv[1], name="the database"), Path(sys.argv[2]))
