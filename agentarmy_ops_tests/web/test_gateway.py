"""The gateway as a whole, over HTTP: real servers behind it, a real code location in it."""

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import httpx
import psutil
import pytest
from fakeredis import TcpFakeServer
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from agentarmy_ops.postgres.conninfo import ConnInfo
from agentarmy_ops_tests.fix_dagster import Stack
from agentarmy_ops_tests.fix_tenants import AppDatabase
from agentarmy_ops_tests.web.health.test_checks import beat
from agentarmy_ops_tests.web.relay import Relay
from agentarmy_ops_tests.web.site import PAGE, Site
from agentarmy_ops_tests.web.whole import whole_gateway

LONGEST_WAIT = 90  # seconds
RUN_LOGS = """subscription ($run: ID!) {
  pipelineRunLogs(runId: $run) {
    ... on PipelineRunLogsSubscriptionSuccess { messages { __typename } hasMorePastEvents }
  }
}"""


def wait_until(site: Site, path: str, well: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Ask until the answer is as wanted."""
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        answer = site.get(path)
        if well(answer):
            return answer
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def started(answer: httpx.Response) -> bool:
    return answer.status_code == 200


def causes(answer: httpx.Response) -> dict[str, str]:
    """The causes of the checks that failed."""
    checks = answer.json()["checks"].items()
    return {name: check["cause"] for name, check in checks if check["status"] == "failed"}


def finds(status: int, **expected: str) -> Callable[[httpx.Response], bool]:
    """Whether an answer has this status and these causes, and no others."""
    return lambda answer: answer.status_code == status and causes(answer) == expected


def code_servers(but: Collection[psutil.Process] = ()) -> list[psutil.Process]:
    """Those that this process has, ``but`` the ones that other tests still use."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child not in but and "grpc" in child.cmdline()]


def test_from_its_start_to_its_end(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    (slug,) = stack.tenants("acme")
    run_id = stack.run("prune_backups").run_id
    caplog.set_level(logging.INFO, logger="agentarmy_ops")
    others = code_servers()
    with whole_gateway() as site:
        # Code takes seconds to load; the gateway answers meanwhile.
        assert site.get("/health").json() == {"status": "ok"}
        starting = site.get("/health/startup")
        assert starting.status_code == 503
        assert starting.json()["started"] is False
        assert causes(starting) == dict.fromkeys(
            ("dagster_ui", "code_locations", "daemon"), "still loading"
        )
        loading = site.get("/runs", headers=PAGE)
        assert loading.status_code == 503
        assert loading.headers["Retry-After"] == "2"
        assert '<meta http-equiv="refresh" content="2">' in loading.text
        assert site.get("/graphql").text == "Dagster is not there yet: still loading\n"
        with pytest.raises(InvalidStatus) as refused:
            site.websocket()
        assert refused.value.response.status_code == 403
        assert site.get("/metrics").status_code == 200

        ready = wait_until(site, "/health/startup", started)
        assert ready.json()["started"] is True
        ready = site.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert causes(ready).keys() == {"daemon"}
        beat(stack.instance, 0)
        assert wait_until(site, "/health/ready", finds(200)).json()["status"] == "ok"
        assert set(ready.json()["checks"]) == {
            *("database", "backup_database", "dagster_storage", "dagster_ui"),
            *("code_locations", "daemon", "backup_store"),
        }
        assert "redis" not in ready.json()["checks"], "no Redis is configured"
        head = site.send("HEAD", "/health/ready")
        assert (head.status_code, head.content) == (200, b"")
        assert site.post("/health").status_code == 405

        _looks_at_the_ui(site)
        _hears_of_a_run(site, run_id)
        wait_until(site, "/fleet", lambda answer: slug in answer.text)
        assert site.get("/fleet", headers={"X-Tenant-ID": slug}).status_code == 200
        _reads_metrics(site, _tenant_id(stack, slug))
        children = code_servers(but=others)
        assert children
        log = [record.getMessage() for record in caplog.records if "access" in record.name]
        assert any(line.startswith("GET /runs 503 ") for line in log)
        assert any(line.startswith("GET /fleet 200 ") and " acme local " in line for line in log)
        assert not any("/health" in line and " 200 " in line for line in log)
    _, alive = psutil.wait_procs(children, LONGEST_WAIT)
    assert not alive


def _tenant_id(stack: Stack, slug: str) -> str:
    with stack.runtime.registry() as connection:
        row = connection.execute("SELECT id FROM shared.tenants WHERE slug = %s", [slug]).fetchone()
    assert row
    return str(row[0])


def _looks_at_the_ui(site: Site) -> None:
    page = site.get("/runs")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'nonce-" in policy
    assert policy.endswith("; frame-ancestors 'none'")
    script = page.text.partition('src="')[2].partition('"')[0]
    answer = site.get(script)
    assert answer.status_code == 200
    # A policy for pages would be one for the workers that are made of such files.
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert "no-store" not in answer.headers.get("Cache-Control", "")
    found = site.post("/graphql", json={"query": "{ repositoriesOrError { __typename } }"})
    assert found.json() == {"data": {"repositoriesOrError": {"__typename": "RepositoryConnection"}}}
    assert found.headers["Cache-Control"] == "no-store"


def _hears_of_a_run(site: Site, run_id: str) -> None:
    """As Dagster's pages do: protocol graphql-ws."""
    with site.websocket(Origin=site.url) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(LONGEST_WAIT)) == {"type": "connection_ack"}
        payload = {"query": RUN_LOGS, "variables": {"run": run_id}}
        socket.send(json.dumps({"type": "start", "id": "1", "payload": payload}))
        data = json.loads(socket.recv(LONGEST_WAIT))["payload"]["data"]["pipelineRunLogs"]
    assert "RunSuccessEvent" in {message["__typename"] for message in data["messages"]}


def _reads_metrics(site: Site, tenant_id: str) -> None:
    samples = {
        (sample.name, *sorted(sample.labels.values()))
        for family in text_string_to_metric_families(site.get("/metrics").text)
        for sample in family.samples
        if sample.value >= 1
    }
    for series in (
        ("http_requests_total", "/health/ready", "HEAD", "200", "unknown"),
        ("http_requests_total", "/fleet", "GET", "200", tenant_id),
        ("http_requests_total", "/{path}", "GET", "503", "unknown"),
        ("http_requests_total", "/graphql", "WEBSOCKET", "101", "unknown"),
        ("agentarmy_tenant_info", tenant_id, "acme", "active"),
        ("agentarmy_dagster_runs", "prune_backups", "SUCCESS"),
    ):
        assert (series[0], *sorted(series[1:])) in samples


@pytest.fixture
def redis_that_ends() -> TcpFakeServer:
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    return server


def test_each_part_broken_and_mended(
    stack: Stack,
    app_database: AppDatabase,
    environment: dict[str, str],
    redis_that_ends: TcpFakeServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = code_servers()
    storage_itself = ConnInfo.parse(environment["DAGSTER_DATABASE_URL"])
    store = stack.runtime.home / "backups"
    store.mkdir(parents=True)
    with Relay(app_database.owner) as database, Relay(storage_itself) as storage:
        as_backup = database.conninfo.with_params(user=app_database.backup.params["user"])
        monkeypatch.setenv("DATABASE_URL", database.conninfo.url)
        monkeypatch.setenv("BACKUP_DATABASE_URL", as_backup.url)
        monkeypatch.setenv("DAGSTER_DATABASE_URL", storage.conninfo.url)
        monkeypatch.setenv(
            "REDIS_URL", f"redis://:s3cret@127.0.0.1:{redis_that_ends.server_address[1]}"
        )
        with whole_gateway() as site:
            beat(stack.instance, 0)
            wait_until(site, "/health/startup", started)
            well = wait_until(site, "/health/ready", finds(200))
            assert well.json()["status"] == "ok"

            database.cut()
            refused = "connection refused"
            down = finds(503, database=refused, backup_database=refused)
            assert wait_until(site, "/health/ready", down).json()["status"] == "unavailable"
            assert site.get("/health").status_code == 200
            assert site.get("/health/startup").status_code == 200, "it has started"
            assert site.get("/fleet").status_code == 200
            database.go_silent()
            silent = "no answer in time"
            wait_until(site, "/health/ready", finds(503, database=silent, backup_database=silent))
            assert site.get("/health").status_code == 200
            database.mend()
            wait_until(site, "/health/ready", finds(200))

            storage.cut()
            answer = wait_until(
                site,
                "/health/ready",
                lambda found: causes(found).get("dagster_storage") == refused,
            )
            assert answer.status_code == 503
            assert causes(answer).keys() <= {"dagster_storage", "daemon"}
            storage.mend()
            wait_until(site, "/health/ready", finds(200))

            shutil.rmtree(store)
            gone = wait_until(site, "/health/ready", finds(200, backup_store="the folder has gone"))
            assert gone.json()["status"] == "degraded"
            store.mkdir()

            redis_that_ends.shutdown()
            redis_that_ends.server_close()
            wait_until(site, "/health/ready", finds(200, redis=refused))

            for server in code_servers(but=others):
                server.kill()
            silent = "its server does not answer"
            wait_until(site, "/health/ready", finds(200, redis=refused, code_locations=silent))
            assert site.get("/runs").status_code == 200


def test_dagsters_storage_comes_later(
    stack: Stack,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Relay(ConnInfo.parse(environment["DAGSTER_DATABASE_URL"])) as storage:
        monkeypatch.setenv("DAGSTER_DATABASE_URL", storage.conninfo.url)
        storage.cut()
        Path("empty.yaml").write_text("load_from: []")  # takes no time to load
        with whole_gateway("empty.yaml") as site:
            why = "Dagster does not open: connection refused"
            answer = wait_until(
                site, "/health/ready", lambda found: causes(found)["dagster_ui"] == why
            )
            assert answer.status_code == 503
            assert why in site.get("/", headers=PAGE).text
            assert "Retrying" not in caplog.text, "Dagster would, for a dozen seconds"
            storage.mend()
            wait_until(site, "/health/startup", started)
            assert site.get("/").status_code == 200
