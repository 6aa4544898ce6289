"""A request works for the tenant it names, and for no other, whatever its header holds."""

import socket
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from agentarmy_ops.errors import DatabaseError
from agentarmy_ops.observability.context import TenantContext, current_tenant
from agentarmy_ops.observability.http_metrics import MetricsMiddleware
from agentarmy_ops.observability.tenant_key import tenant_key
from agentarmy_ops.observability.tenant_lookup import TenantLookup
from agentarmy_ops.observability.tenant_middleware import TenantMiddleware
from agentarmy_ops_tests.observability.samples import Samples
from agentarmy_ops_tests.serving import serving

ACME = TenantContext(uuid4(), "acme")


class Lookup:
    """Knows one tenant, and what it was asked for; or is down."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    async def __call__(self, value: str) -> TenantContext | None:
        key = tenant_key(value)
        self.asked.append(value)
        if self.down:
            raise DatabaseError("the server has gone")
        return ACME if key in (ACME.tenant_id, ACME.slug) else None


def who(_: Request) -> PlainTextResponse:
    tenant = current_tenant()  # in a thread
    return PlainTextResponse(tenant.slug if tenant else "nobody")


async def greet(websocket: WebSocket) -> None:
    await websocket.accept()
    tenant = current_tenant()
    await websocket.send_text(tenant.slug if tenant else "nobody")


def application() -> Starlette:
    return Starlette(
        routes=[
            WebSocketRoute("/ws", greet),
            Mount("/sub", routes=[Route("/{path:path}", who)]),
            Route("/{path:path}", who),
        ]
    )


@pytest.fixture
def lookup() -> Lookup:
    return Lookup()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def served(lookup: Lookup, registry: CollectorRegistry) -> Iterator[str]:
    app = TenantMiddleware(application(), lookup=lookup, skip=["/ui/"])
    with serving(MetricsMiddleware(app, registry=registry)) as address:
        yield address


@pytest.fixture
def strict(lookup: Lookup) -> Iterator[str]:
    with serving(TenantMiddleware(application(), lookup=lookup, required=True)) as address:
        yield address


def get(address: str, path: str = "/x", tenant: str | bytes | None = None) -> httpx.Response:
    headers = {} if tenant is None else {"X-Tenant-ID": tenant}
    return httpx.get(f"http://{address}{path}", headers=headers)  # type: ignore[arg-type]


def test_by_id_and_by_slug(served: str, registry: CollectorRegistry) -> None:
    assert get(served, tenant="acme").text == "acme"
    assert get(served, tenant=str(ACME.tenant_id)).text == "acme"
    assert get(served, "/sub/x", "acme").text == "acme"
    assert get(served).text == "nobody"
    tenants = {each["tenant_id"] for each in Samples(registry).all("http_requests_total")}
    assert tenants == {str(ACME.tenant_id), "unknown"}


async def fail(_: Request) -> PlainTextResponse:
    raise ValueError("x")


def test_a_failure_is_its_tenants_also_when_it_is_answered_around(
    lookup: Lookup, registry: CollectorRegistry
) -> None:
    within = [Middleware(TenantMiddleware, lookup=lookup)]
    app = Starlette(routes=[Route("/fails", fail)], middleware=within)
    with serving(MetricsMiddleware(app, registry=registry)) as address:
        assert get(address, "/fails", "acme").status_code == 500
    (labels,) = Samples(registry).all("http_requests_total")
    assert labels["tenant_id"] == str(ACME.tenant_id)


HOSTILE = [
    b"",
    b"a",
    b"x" * 8000,
    b"' OR '1'='1",
    b"acme'; DROP TABLE shared.tenants; --",
    b"acme\tacme",
    b"acme\xff\xfe",
    "acme\u202e".encode(),
    b"acme,acme",
    b"../acme",
    b"${jndi:ldap://x}",
    b"{{7*7}}",
    b"*",
    b"nobody-of-this-name",
    str(uuid4()).encode(),
]


def test_hostile_values_name_nobody_and_become_no_label(
    served: str, registry: CollectorRegistry, lookup: Lookup
) -> None:
    for value in HOSTILE:
        assert get(served, tenant=value).text == "nobody", value
    tenants = {each["tenant_id"] for each in Samples(registry).all("http_requests_total")}
    assert tenants == {"unknown"}
    assert len(lookup.asked) == 2  # the last two could be names


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_control_characters(lookup: Lookup, parser: str) -> None:
    """A parser refuses them, or they name nobody."""
    app = TenantMiddleware(application(), lookup=lookup)
    with serving(app, http=parser) as address:
        for value in (b"ac\x00me", b"ac\x01me", b"ac\x7fme", b"acme\r\n globex"):
            host, port = address.split(":")
            with socket.create_connection((host, int(port))) as client:
                client.sendall(
                    b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Tenant-ID: "
                    + value
                    + b"\r\n\r\n"
                )
                answer = b"".join(iter(lambda: client.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 400") or answer.endswith(b"nobody"), value
    assert lookup.asked == []


def test_a_tenant_that_is_sent_twice_is_none(served: str, strict: str, lookup: Lookup) -> None:
    twice = [("X-Tenant-ID", "acme"), ("X-Tenant-ID", "acme")]
    assert httpx.get(f"http://{served}/x", headers=twice).text == "nobody"
    refused = httpx.get(f"http://{strict}/x", headers=twice)
    assert refused.status_code == 400
    assert "more than once" in refused.json()["detail"]
    assert lookup.asked == []


def test_what_has_no_tenant_asks_for_none(served: str, strict: str, lookup: Lookup) -> None:
    skipped = ["/health", "/health/ready", "/metrics", "/docs", "/docs/oauth2-redirect"]
    for path in [*skipped, "/openapi.json"]:
        assert get(served, path, "acme").text == "nobody"
        assert get(strict, path).text == "nobody"
    for path in ("/ui", "/ui/", "/ui/runs"):
        assert get(served, path.rstrip("/") + "/", "acme").text == "nobody"
    assert lookup.asked == []
    for path in ("/healthy", "/metricsfoo", "/documents", "/x/health", "/uix", "/HEALTH"):
        assert get(served, path, "acme").text == "acme"


def test_paths_to_skip_are_those_below_a_proxys_prefix(lookup: Lookup) -> None:
    app = TenantMiddleware(application(), lookup=lookup, required=True)
    with serving(app, root_path="/ops") as address:
        assert get(address, "/health").text == "nobody"
        assert get(address, "/agents").status_code == 400


def test_a_required_tenant(strict: str, lookup: Lookup) -> None:
    assert get(strict, tenant="acme").text == "acme"
    expected = {
        None: (400, "header X-Tenant-ID is missing: send the tenant's id or slug in it"),
        "Acme": (400, "header X-Tenant-ID holds neither a tenant's id nor a slug"),
        "globex": (404, "there is no tenant with the id or slug in header X-Tenant-ID"),
    }
    for value, (status, detail) in expected.items():
        response = get(strict, tenant=value)
        assert (response.status_code, response.json()) == (status, {"detail": detail})
    lookup.down = True
    response = get(strict, tenant="acme")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json() == {"detail": "the tenant cannot be looked up now: try again"}
    assert get(strict, "/health").text == "nobody"


def test_a_registry_that_is_down_fails_no_request_that_can_do_without(
    served: str, lookup: Lookup
) -> None:
    lookup.down = True
    assert get(served, tenant="acme").text == "nobody"
    assert get(served).text == "nobody"


def test_websockets(served: str, strict: str) -> None:
    acme = {"X-Tenant-ID": "acme"}
    for address in (served, strict):
        with connect(f"ws://{address}/ws", additional_headers=acme) as client:
            assert client.recv() == "acme"
    with connect(f"ws://{served}/ws") as client:
        assert client.recv() == "nobody"
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://{strict}/ws")
    assert caught.value.response.status_code == 400
    assert b"is missing" in (caught.value.response.body or b"")


def test_a_server_that_can_only_close_a_websocket(lookup: Lookup) -> None:
    inside = TenantMiddleware(application(), lookup=lookup, required=True)

    async def plain(scope: dict[str, object], receive: object, send: object) -> None:
        await inside({**scope, "extensions": {}}, receive, send)  # type: ignore[arg-type]

    app: ASGIApp = plain  # type: ignore[assignment]
    with serving(app) as address, pytest.raises(InvalidStatus) as caught:
        connect(f"ws://{address}/ws")
    assert caught.value.response.status_code == 403


def test_with_a_registry_that_is_not_there(registry: CollectorRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lookup = TenantLookup.in_database(f"postgresql://someone@127.0.0.1:{port}/app")
    with serving(TenantMiddleware(application(), lookup=lookup)) as address:
        assert get(address, tenant="acme").text == "nobody"
        assert get(address, tenant="Robert'); --").text == "nobody"
    lookup.close()
