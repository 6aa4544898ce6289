"""``agentarmy-ops serve`` as Cloud Run starts and stops it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.process_log import line_with
from agentarmy_ops_tests.web.site import Site
from agentarmy_ops_tests.web.test_gateway import LONGEST_WAIT, started, wait_until

RUNS = {"query": "{ runsOrError(limit: 1) { ... on Runs { results { id } } } }"}
# Whatever Dagster asks of the table first, but what counts runs for /metrics.
WAITING = (
    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query NOT LIKE '%count(*)%'"
)


@pytest.fixture
def process(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentarmy_ops.cli", "serve"],
        env={**os.environ, **environment, "PORT": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.kill()
    process.communicate()


def wait_for_who_waits(storage: ConnInfo) -> None:
    """Wait until the query waits for the lock."""
    with storage.connect(autocommit=True) as connection:  # a transaction would see no changes
        while not connection.execute(WAITING).fetchall():
            connection.execute("SELECT pg_sleep(0.05)")


def wait_until_refused(port: int) -> None:
    """Wait until nobody listens any more."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it stood in line when the port was closed
            continue


def test_requests_under_way_end_before_the_process_does(
    process: "subprocess.Popen[str]", stack: Stack, environment: dict[str, str]
) -> None:
    # PORT, as Cloud Run sets it: here it is 0, any free one.
    where = line_with(process, "Gateway: http://127.0.0.1:").partition("127.0.0.1:")[2]
    site = Site(int(where.split()[0]))
    assert site.port != 3000
    wait_until(site, "/health/startup", started)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    storage = ConnInfo.parse(environment["DAGSTER_DATABASE_URL"])
    with ThreadPoolExecutor() as threads, storage.connect() as lock:
        lock.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        answer = threads.submit(site.post, "/graphql", json=RUNS)
        wait_for_who_waits(storage)
        process.send_signal(signal.SIGTERM)
        wait_until_refused(site.port)
        # A second more, which is within the grace and beyond what uvicorn gives without any.
        lock.execute("SELECT pg_sleep(1)")
        assert not answer.done()
        lock.rollback()
        assert answer.result(LONGEST_WAIT).json() == {"data": {"runsOrError": {"results": []}}}
    assert process.wait(LONGEST_WAIT) == 0
    _, alive = psutil.wait_procs(children, LONGEST_WAIT)
    assert not alive
