"""The one process that serves the gateway."""

import ipaddress
import logging
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import GatewayAuth, Settings

logger = logging.getLogger(__name__)

# Requests under way may take these seconds to end, after SIGTERM. Cloud Run waits 10 before it
# kills; what is left is for code servers to end in.
_GRACE_SECONDS = 6
_BACKLOG = 2048


def refuse_open_door(settings: Settings, host: str) -> None:
    """Without a login, whoever reaches the port may start any job: on this machine only.

    Raises:
        ConfigurationError: ``GATEWAY_AUTH=none``, and ``host`` is no loopback address.
    """
    if settings.gateway_auth is GatewayAuth.NONE and not is_loopback(host):
        raise ConfigurationError(
            f"GATEWAY_AUTH=none lets everybody in, so the gateway does not listen on {host}; set "
            "GATEWAY_AUTH to token or iap, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name other than ``localhost`` counts as
    reachable, whatever it means today."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything slow is done; ``port`` 0 is any free one.

    Raises:
        ConfigurationError: it is taken, or not ours to take.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot listen on {host}, port {port}: {error.strerror}; give a free one with --port"
    )


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve ``app`` until SIGTERM or Ctrl-C: then nothing new is accepted, requests under way end,
    and this exits with 0.

    Raises:
        SystemExit: always, in the end.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has ended: this is what happens then.
        signal.signal(number, _end)
    _Server(server_config(app)).run(sockets=[listener])


def server_config(app: ASGIApp) -> uvicorn.Config:
    """One process, no log of uvicorn's own per request. Forwarded headers are not believed here:
    anybody can send them."""
    return uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    """Says where it is when one can reach it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or []:
            host, port = each.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            logger.info("Gateway: http://%s:%s (Ctrl-C ends it)", shown, port)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
