"""The application in the documentation, over real HTTP, with a real registry and two tenants."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from psycopg import sql

from agentarmy_ops.observability.logs import configure_logging
from agentarmy_ops.tenants.context import set_tenant
from agentarmy_ops_tests.fix_tenants import AppDatabase, Provision
from agentarmy_ops_tests.observability.samples import samples_of
from agentarmy_ops_tests.serving import serving

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fastapi_app.py"


# uvicorn closes a connection after a failure.
ONE_REQUEST = httpx.Limits(max_keepalive_connections=0)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fastapi_app", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tenants(app_database: AppDatabase, provision: Provision) -> dict[str, str]:
    """Slugs and ids of two tenants, each with an agent of its own name."""
    found = {}
    for slug in ("acme", "skyvera-eu"):
        tenant = provision(slug).tenant
        found[slug] = str(tenant.id)
        with app_database.owner.connect() as connection:
            set_tenant(connection, tenant.id)
            connection.execute(
                sql.SQL("INSERT INTO {} (tenant_id, name, model) VALUES (%s, %s, 'm')").format(
                    sql.Identifier(tenant.schema_name, "agents")
                ),
                [tenant.id, f"agent of {slug}"],
            )
    return found


@pytest.fixture
def short_path() -> Iterator[Path]:
    """The path of a Unix socket has room for 107 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def scraped(client: httpx.Client, name: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels, of a scrape."""
    wanted = set(labels.items())
    found = samples_of(client.get("/metrics").raise_for_status().text)
    return sum(value for (each, has), value in found.items() if each == name and wanted <= has)


def test_requests_of_two_tenants(
    example: ModuleType,
    app_database: AppDatabase,
    tenants: dict[str, str],
    stream: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", app_database.owner.url)
    app = example.create_app()
    configure_logging("production", stream=stream)
    with (
        serving(app) as address,
        httpx.Client(base_url=f"http://{address}", limits=ONE_REQUEST) as client,
    ):
        for slug, by in (("acme", "acme"), ("skyvera-eu", tenants["skyvera-eu"])):
            headers = {"X-Tenant-ID": by, "X-User-ID": f"user of {slug}"}
            assert client.get("/agents", headers=headers).json() == [f"agent of {slug}"]
        said = client.post(
            "/agents/7/messages", params={"prompt": "a b c"}, headers={"X-Tenant-ID": "acme"}
        )
        assert said.json() == {"agent": "7", "answer": "You said: a b c"}
        unsaid = client.post(
            "/agents/7/messages", params={"prompt": " "}, headers={"X-Tenant-ID": "acme"}
        )
        assert (unsaid.status_code, len(unsaid.headers["X-Request-ID"])) == (500, 32)
        assert client.get("/agents").status_code == 400
        assert client.get("/agents", headers={"X-Tenant-ID": "nobody"}).status_code == 404
        assert client.get("/docs").status_code == 200
        requests = {"method": "GET", "endpoint": "/agents"}
        for tenant_id in tenants.values():
            name = "http_requests_total"
            labels = {**requests, "tenant_id": tenant_id}
            assert scraped(client, name, status_code="200", **labels) == 1
            assert scraped(client, "http_request_duration_seconds_count", **labels) == 1
        for status in ("400", "404"):
            labels = {**requests, "tenant_id": "unknown", "status_code": status}
            assert scraped(client, "http_requests_total", **labels) == 1
        model = {"model": "example-1", "tenant_id": tenants["acme"]}
        assert scraped(client, "llm_requests_total", status="success", **model) == 1
        assert scraped(client, "llm_requests_total", status="error", **model) == 1
        assert scraped(client, "llm_tokens_used_total", token_type="prompt", **model) == 3
        assert scraped(client, "llm_tokens_used_total", token_type="completion", **model) == 5
        assert scraped(client, "llm_request_duration_seconds_count", **model) == 2
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    seen = [
        (line["route"], line["status"], line.get("tenant"), line.get("user_id"))
        for line in lines
        if line.get("tenant") and line["logger"] == "agentarmy_ops.access"
    ]
    assert seen[:2] == [
        ("/agents", 200, "acme", "user of acme"),
        ("/agents", 200, "skyvera-eu", "user of skyvera-eu"),
    ]


def test_several_processes_are_scraped_as_one(
    app_database: AppDatabase, tenants: dict[str, str], tmp_path: Path, short_path: Path
) -> None:
    """Each process has counters of its own, and a scrape reaches one of them."""
    listening = str(short_path / "s")
    environment = {
        **os.environ,
        "DATABASE_URL": app_database.owner.url,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    command = ["--factory", "--workers", "2", "--uds", listening, "fastapi_app:create_app"]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--no-access-log", *command],
        cwd=EXAMPLE.parent,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr
    try:
        started = (line for line in server.stderr if "startup complete" in line)
        assert next(started)
        assert next(started)
        labels = {"endpoint": "/agents/{agent}/messages", "tenant_id": tenants["acme"]}
        transport = httpx.HTTPTransport(uds=listening, limits=ONE_REQUEST)
        with httpx.Client(base_url="http://example", transport=transport) as client:
            for number in range(20):
                path = f"/agents/{number}/messages?prompt=x"
                client.post(path, headers={"X-Tenant-ID": "acme"}).raise_for_status()
            counts = {scraped(client, "http_requests_total", **labels) for _ in range(10)}
    finally:
        server.terminate()
        server.communicate()
    assert counts == {20}
    # Files are named for the process that wrote them.
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_what_the_page_shows_is_in_the_example(repository_root: Path) -> None:
    page = (repository_root / "docs" / "observability.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    source = EXAMPLE.read_text().replace("  # type: ignore[no-untyped-call]", "")
    lines = {line.strip() for line in source.splitlines()}
    assert blocks
    for block in blocks:
        assert [line for line in block.splitlines() if line.strip() not in lines] == []
