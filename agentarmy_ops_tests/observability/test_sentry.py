"""The real SDK, sending over real HTTP."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import UUID

import pytest
import sentry_sdk
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from starlette.types import Receive, Scope, Send

from agentarmy_ops.errors import BackupError, ConfigurationError, OpsError
from agentarmy_ops.observability import failures, init_sentry
from agentarmy_ops.observability.context import tenant_context, user_context
from agentarmy_ops.observability.failures import capture, flush
from agentarmy_ops.observability.known_secrets import known_secrets
from agentarmy_ops.observability.sentry import start_sentry, watched
from agentarmy_ops.settings import Environment, Settings
from agentarmy_ops.tenants.registry import Tenant
from agentarmy_ops_tests.fix_sentry import SentryServer, stop_sentry
from agentarmy_ops_tests.serving import serving

ACME = Tenant(UUID(int=7), "acme", "Acme", "tenant_acme", True, datetime.now(UTC))
GLOBEX = Tenant(UUID(int=8), "globex", "Globex", "tenant_globex", True, datetime.now(UTC))


class Recorder(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.items += [item.payload.json or {} for item in envelope.items]


@pytest.fixture
def recorder() -> Any:
    yield Recorder()
    stop_sentry()


def settings(server: SentryServer, **values: Any) -> Settings:
    return Settings(_env_file=None, sentry_dsn=SecretStr(server.dsn), **values)


def raised(error: Exception) -> Exception:
    variable = "-".join(["hunter2", "variable"])
    with pytest.raises(type(error)):
        raise error
    assert variable
    return error


def test_without_a_dsn_the_sdk_is_not_even_imported() -> None:
    code = """
        import sys
        from agentarmy_ops.observability import init_sentry
        from agentarmy_ops.observability.failures import capture, flush
        from agentarmy_ops.observability.sentry import start_sentry
        from agentarmy_ops.settings import Settings
        assert init_sentry(None, "production", service="app") is False
        assert init_sentry("", "production", service="app") is False
        assert start_sentry(Settings(_env_file=None, sentry_dsn=None), "cli") is False
        assert capture("x", kind="X", tags={}) is False
        flush()
        assert not {"sentry_sdk", "apprise", "dagster"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True, timeout=60)


@pytest.mark.parametrize(
    "dsn",
    ["nonsense", "ftp://hunter2@x/1", "https://sentry.io/1", "https://hunter2@x/not-a-number"],
)
def test_a_bad_dsn_is_refused_without_being_shown(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="SENTRY_DSN is not a DSN of Sentry") as caught:
        init_sentry(dsn, "production", service="app")
    assert dsn not in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(ConfigurationError):
        start_sentry(Settings(_env_file=None, sentry_dsn=SecretStr(dsn)), "cli")


def test_an_error_arrives_with_tenant_user_service_and_no_secret(
    sentry_server: SentryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["app", "argument-of-the-process"])
    assert init_sentry(
        SecretStr(sentry_server.dsn),
        "staging",
        service="app",
        release="app@1.2.3",
        known_secrets=["swordfish-9"],
    )
    with tenant_context(ACME), user_context("user-5"):
        sentry_sdk.set_user({"email": "me@example.com", "ip_address": "10.0.0.1"})
        logging.getLogger("x").warning("connecting with password=hunter2")
        sentry_sdk.capture_exception(
            raised(OpsError(f"no postgresql://u:hunter2@db/x; swordfish-9; {sentry_server.dsn}"))
        )
    (event,) = sentry_server.wait_for_events(1)
    assert event["tags"] == {
        "service": "app",
        "tenant_id": str(ACME.id),
        "tenant_slug": "acme",
    }
    assert event["user"] == {"id": "user-5"}
    assert (event["environment"], event["release"]) == ("staging", "app@1.2.3")
    (value,) = event["exception"]["values"]
    assert value["type"] == "OpsError"
    assert value["value"] == "no postgresql://[Filtered]@db/x; [Filtered]; [Filtered]"
    assert event["breadcrumbs"]["values"][0]["message"] == "connecting with password=[Filtered]"
    sent = json.dumps(event)
    assert value["stacktrace"]["frames"][-1]["function"] == "raised"
    for secret in ("hunter2-variable", "argument-of-the-process", "secretkey", "10.0.0.1"):
        assert secret not in sent
    assert "modules" not in event
    assert sentry_server.paths[0] == "/api/42/envelope/"


def test_an_error_that_left_its_tenants_block_still_knows_it(recorder: Recorder) -> None:
    init_sentry("https://key@localhost/1", "testing", service="app", transport=recorder)

    def fail() -> None:
        with tenant_context(GLOBEX), user_context("outer"), tenant_context(ACME):
            raise ValueError("inner")

    with pytest.raises(ValueError, match="inner") as caught:
        fail()
    with tenant_context(GLOBEX):
        sentry_sdk.capture_exception(caught.value)
    (event,) = recorder.items
    assert event["tags"]["tenant_slug"] == "acme"
    assert event["user"] == {"id": "outer"}


def test_without_tenant_and_user_there_is_none(recorder: Recorder) -> None:
    init_sentry("https://key@localhost/1", "testing", service="app", transport=recorder)
    sentry_sdk.capture_message("hello")
    sentry_sdk.set_user({"id": 5, "username": "me"})
    sentry_sdk.capture_message("hello")
    assert recorder.items[0]["tags"] == {"service": "app"}
    assert recorder.items[0]["user"] == {}
    assert recorder.items[1]["user"] == {"id": "5"}


@pytest.mark.parametrize(
    ("environment", "given", "share"),
    [
        ("development", None, None),
        ("testing", None, None),
        ("staging", None, 1.0),
        ("production", None, 0.1),
        ("elsewhere", None, None),
        ("development", 0.5, 0.5),
        ("production", 0.0, None),
        ("staging", 0.25, 0.25),
    ],
)
def test_share_of_traces(
    recorder: Recorder, environment: str, given: float | None, share: float | None
) -> None:
    init_sentry(
        "https://key@localhost/1",
        environment,
        service="app",
        traces_sample_rate=given,
        transport=recorder,
    )
    sampler = sentry_sdk.get_client().options["traces_sampler"]
    assert (sampler and sampler({})) == share


def test_health_and_metrics_are_not_traced_and_traces_stay_whole(recorder: Recorder) -> None:
    init_sentry("https://key@localhost/1", "staging", service="app", transport=recorder)
    sample = sentry_sdk.get_client().options["traces_sampler"]
    assert sample is not None

    def of(path: str, root: str = "") -> Any:
        return sample({"asgi_scope": {"type": "http", "path": path, "root_path": root}})

    assert [of(path) for path in ("/health", "/health/ready", "/metrics")] == [0, 0, 0]
    assert of("/api/metrics", "/api") == 0
    assert [of(path) for path in ("/", "/healthy", "/agents/7")] == [1, 1, 1]
    assert sample({"parent_sampled": False}) == 0
    assert sample({"parent_sampled": True}) == 1


def test_transactions_are_scrubbed(recorder: Recorder) -> None:
    init_sentry("https://key@localhost/1", "staging", service="app", transport=recorder)
    with (
        tenant_context(ACME),
        sentry_sdk.start_transaction(op="task", name="work token=hunter2"),
        sentry_sdk.start_span(op="db", name="SELECT 'hunter2'"),
    ):
        pass
    (transaction,) = recorder.items
    assert transaction["type"] == "transaction"
    assert transaction["tags"]["tenant_slug"] == "acme"
    assert "hunter2" not in json.dumps(transaction)
    assert transaction["spans"][0]["description"] == "SELECT '?'"


def test_options_can_be_added_but_open_nothing(recorder: Recorder) -> None:
    init_sentry(
        "https://key@localhost/1",
        "testing",
        service="app",
        transport=recorder,
        max_breadcrumbs=3,
        include_local_variables=True,
        max_request_body_size="always",
        before_send=lambda event, _hint: event,
    )
    options = sentry_sdk.get_client().options
    assert options["max_breadcrumbs"] == 3
    assert options["include_local_variables"] is False
    assert options["max_request_body_size"] == "never"
    sentry_sdk.capture_exception(raised(ValueError("token=hunter2")))
    assert "hunter2" not in json.dumps(recorder.items[0]["exception"]["values"][0]["value"])
    assert "hunter2-variable" not in json.dumps(recorder.items)


def test_in_our_own_processes_a_log_line_is_no_event(sentry_server: SentryServer) -> None:
    assert start_sentry(settings(sentry_server, environment="testing"), "dagster")
    logging.getLogger("dagster").error("acme: a line")
    sentry_sdk.capture_message("the only event")
    flush()
    (event,) = sentry_server.wait_for_events(1)
    assert event["message"] == "the only event"
    assert event["breadcrumbs"]["values"][-1]["message"] == "acme: a line"
    assert event["release"].startswith("agentarmy-ops@")
    assert event["environment"] == "testing"
    assert event["tags"]["service"] == "dagster"


@pytest.mark.parametrize(("service", "more"), [("dagster", set()), ("gateway", {"starlette"})])
def test_our_own_processes_are_left_as_they_are(service: str, more: set[str]) -> None:
    """Nothing sits between us and pg_dump, the stores, the databases; a process of its own, for
    integrations are for ever."""
    code = """
        import sys
        import sentry_sdk
        from agentarmy_ops.observability.sentry import start_sentry
        from agentarmy_ops.settings import Settings
        start_sentry(Settings(_env_file=None, sentry_dsn="https://key@localhost/1"), sys.argv[1])
        print(*sentry_sdk.get_client().integrations)
    """
    ran = subprocess.run(
        [sys.executable, "-c", dedent(code), service],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert set(ran.stdout.split()) == {
        "atexit", "dedupe", "excepthook", "logging", "threading", *more,
    }  # fmt: skip
    assert ran.stderr == ""


def test_secrets_of_the_settings_are_known() -> None:
    found = known_secrets(
        Settings(
            _env_file=None,
            database_url=SecretStr("postgresql://app:hunter%402@db/x"),
            redis_url=SecretStr("redis://:swordfish@cache:6379"),
            notify_urls=SecretStr("slack://a/b/c json://u:p4ssw0rd@x"),
            gateway_operator_token=SecretStr("o" * 40),
        )
    )
    assert {"hunter%402", "swordfish", "slack://a/b/c", "p4ssw0rd", "o" * 40} <= found


def test_known_secrets_of_settings_are_taken_out(sentry_server: SentryServer) -> None:
    start_sentry(
        settings(
            sentry_server,
            environment=Environment.TESTING,
            database_url=SecretStr("postgresql://app:hunter%402@db/x"),
        ),
        "cli",
    )
    capture("the word is hunter@2 or hunter%402", kind="X", tags={})
    (event,) = sentry_server.wait_for_events(1)
    assert event["exception"]["values"][0]["value"] == "the word is [Filtered] or [Filtered]"


def test_a_failure_is_one_event_grouped_by_its_cause(sentry_server: SentryServer) -> None:
    start_sentry(settings(sentry_server), "dagster")
    error = raised(BackupError("tenant acme: table tenant_acme.users is 17 pages"))
    # The SDK would drop the second and third: it has just seen this exception.
    for slug in ("acme", "globex", "acme"):
        assert capture(error, kind="ignored", slug=slug, tags={"job": "j", "run_id": None})
    flush()
    events = sentry_server.wait_for_events(3)
    assert len(events) == 3
    assert events[0]["fingerprint"] == [
        "BackupError",
        "tenant <tenant>: table <schema>.users is <n> pages",
    ]
    assert events[0]["tags"] == {"tenant_slug": "acme", "job": "j", "service": "dagster"}
    assert events[0]["level"] == "error"
    (value,) = events[0]["exception"]["values"]
    assert value["type"] == "BackupError"
    assert value["stacktrace"]["frames"]
    assert value["mechanism"]["handled"] is True


def test_a_message_stands_as_its_kind(sentry_server: SentryServer) -> None:
    start_sentry(settings(sentry_server), "dagster")
    event_id = "ab" * 16
    capture("died 5", kind="RunDied", tags={}, event_id=event_id, context={"traceback": "line"})
    (event,) = sentry_server.wait_for_events(1)
    assert event["fingerprint"] == ["RunDied", "died <n>"]
    assert event["exception"]["values"][0]["type"] == "RunDied"
    assert event["exception"]["values"][0]["value"] == "died 5"
    assert event["event_id"] == event_id
    assert event["contexts"]["failure"] == {"traceback": "line"}


def test_a_whole_fleet_that_fails_at_once_arrives(sentry_server: SentryServer) -> None:
    """The SDK's own queue takes 100."""
    start_sentry(settings(sentry_server), "dagster")
    sentry_server.hang.clear()
    for number in range(300):
        capture(f"tenant {number}", kind="X", tags={})
    sentry_server.hang.set()
    assert len(sentry_server.wait_for_events(300)) == 300


def test_a_sentry_that_refuses_harms_nobody(sentry_server: SentryServer) -> None:
    sentry_server.status = 500
    start_sentry(settings(sentry_server), "dagster")
    assert capture("x", kind="X", tags={})
    flush()
    sentry_server.wait_for_events(1)


def test_a_sentry_that_hangs_holds_nobody_up_for_long(
    sentry_server: SentryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "FLUSH_SECONDS", 0.05)
    sentry_server.hang.clear()
    start_sentry(settings(sentry_server), "dagster")
    capture("x", kind="X", tags={})
    sentry_server.wait(lambda: bool(sentry_server.bodies))
    flush()
    # Here we are, and have no answer yet.
    assert sentry_server.answered == 0


def test_what_cannot_be_captured_harms_nobody(sentry_server: SentryServer) -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    start_sentry(settings(sentry_server), "dagster")
    assert capture(BrokenError(), kind="X", tags={}) is False


def test_what_goes_wrong_in_a_layer_around_the_application_is_seen(
    sentry_server: SentryServer,
) -> None:
    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        if scope["type"] == "http":
            raise RuntimeError("broken layer")

    assert watched(layer) is layer
    start_sentry(settings(sentry_server, environment="staging"), "gateway")
    with serving(watched(layer), lifespan="off") as address:
        for path in ("/fleet", "/metrics"):
            with pytest.raises(HTTPError, match="500"):
                urlopen(f"http://{address}{path}", timeout=30)
    events = sentry_server.wait_for_events(2)
    assert [event["exception"]["values"][0]["value"] for event in events] == ["broken layer"] * 2
    assert events[0]["request"]["url"].endswith("/fleet")
    flush()
    (trace,) = sentry_server.transactions
    assert trace["contexts"]["trace"]["op"] == "http.server"
    assert trace["request"]["url"].endswith("/fleet")


APP = """
    import sys
    from uuid import UUID

    from fastapi import FastAPI, Request
    from starlette.testclient import TestClient

    from agentarmy_ops.observability import (
        TenantContext, TenantMiddleware, init_sentry, user_context
    )

    init_sentry(sys.argv[1], "staging", service="app")
    assert "dagster" not in sys.modules
    app = FastAPI()

    async def lookup(header):
        return TenantContext(UUID(int=7), "acme")

    @app.middleware("http")
    async def user(request, call_next):
        with user_context("user-5"):
            return await call_next(request)

    app.add_middleware(TenantMiddleware, lookup=lookup)

    @app.post("/login")
    async def login(request: Request):
        secret = (await request.json())["password"]
        raise RuntimeError("broken")

    @app.get("/health/ready")
    def ready():
        return {}

    client = TestClient(app, raise_server_exceptions=False)
    client.get("/health/ready")
    client.post(
        "/login?token=hunter2",
        json={"password": "hunter2"},
        headers={
            "X-Tenant-ID": "acme",
            "Authorization": "Bearer hunter2",
            "X-Goog-IAP-JWT-Assertion": "hunter2",
        },
        cookies={"session": "hunter2"},
    )
"""


def test_a_fastapi_application(sentry_server: SentryServer, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(dedent(APP))
    subprocess.run([sys.executable, str(script), sentry_server.dsn], check=True, timeout=120)
    # The process has ended: what it had to say was sent before that.
    (event,) = sentry_server.events
    assert event["tags"]["tenant_slug"] == "acme"
    assert event["user"] == {"id": "user-5"}
    assert event["exception"]["values"][-1]["value"] == "broken"
    assert event["request"]["query_string"] == "token=[Filtered]"
    assert "data" not in event["request"]
    (trace,) = sentry_server.transactions
    assert trace["transaction"] == "/login"
    assert trace["tags"]["tenant_slug"] == "acme"
    assert trace["tags"]["tenant_id"] == str(UUID(int=7))
    assert "user_id" not in trace["tags"]
    assert trace["user"] == {"id": "user-5"}
    body = b"".join(sentry_server.bodies).replace(b"token=[Filtered]", b"")
    # Nowhere but in the lines of the script itself, which are shown around the failing one.
    assert body.count(b"hunter2") == 0
