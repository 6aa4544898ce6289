"""A Redis: the one that is given by URL, else a server of our own, else what speaks like one."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import redis
from fakeredis import TcpFakeServer
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from agentarmy_ops_tests.given import Given

_ATTEMPTS = 200


@pytest.fixture(scope="session")
def redis_server(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running Redis. All tests share it, and one that is given holds anything: use
    tenants of your own, and ask for their keys only."""
    with ExitStack() as stack:
        if given.redis_url:
            yield given.redis_url
        elif program := shutil.which("redis-server"):
            yield stack.enter_context(_started(program, tmp_path_factory.mktemp("redis")))
        else:
            yield stack.enter_context(_played())


@contextmanager
def _started(program: str, folder: Path) -> Iterator[str]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        program,
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            patience = Retry(ConstantBackoff(0.05), _ATTEMPTS)
            with redis.Redis(port=port, retry=patience) as client:
                client.ping()
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


@contextmanager
def _played() -> Iterator[str]:
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    # It looks this often, in seconds, whether it is to stop.
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()
