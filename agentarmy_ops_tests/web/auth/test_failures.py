"""What the log and the metric say of refusals, and what they never say."""

import logging
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from agentarmy_ops.web.auth.identity import Reason
from agentarmy_ops_tests.web.site import OPERATOR, VIEWER, Site, bearer

_NAME = "agentarmy_gateway_auth_failures_total"


def _count(reason: Reason) -> float:
    value = REGISTRY.get_sample_value(_NAME, {"reason": reason.value})
    assert value is not None, "every reason is there from the start"
    return value


def test_every_reason_is_there() -> None:
    assert all(_count(reason) >= 0 for reason in Reason)


def test_each_refusal_is_counted_once(fresh_site: Site) -> None:
    cookie, left = fresh_site.cookie(), fresh_site.cookie()
    fresh_site.post("/logout", headers=left)
    evil = {"Origin": "https://evil.example"}
    sent: dict[Reason, Callable[[], object]] = {
        Reason.MISSING: lambda: fresh_site.get("/fleet"),
        Reason.WRONG_TOKEN: lambda: fresh_site.log_in("wrong"),
        Reason.ENDED_SESSION: lambda: fresh_site.get("/", headers=left),
        Reason.BAD_SESSION: lambda: fresh_site.get("/", headers={"Cookie": "agentarmy-session=x"}),
        Reason.FOREIGN_ORIGIN: lambda: fresh_site.post("/", headers={**cookie, **evil}),
        Reason.READ_ONLY: lambda: fresh_site.post("/", headers=bearer(VIEWER)),
        Reason.BAD_PATH: lambda: fresh_site.raw("/a//b"),
        Reason.MALFORMED: lambda: fresh_site.raw("/", [("Authorization", "a")] * 2),
    }
    for reason, send in sent.items():
        before = {each: _count(each) for each in Reason}
        send()
        after = {each: _count(each) for each in Reason}
        assert after == {**before, reason: before[reason] + 1}


def test_the_log_names_client_and_path_and_no_secret(
    fresh_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    almost = OPERATOR[:-1]
    fresh_site.get("/fleet", params={"token": OPERATOR}, headers=bearer(almost))
    fresh_site.log_in(almost, next="/fleet")
    cookie = {"Cookie": f"agentarmy-session={almost}"}
    fresh_site.get("/a'b", headers={**cookie, "Accept": "text/html"})
    fresh_site.raw("/x%0aforged%20line")
    # Others are the client's of the test, and uvicorn's per request, which pytest switches on.
    ours = [record for record in caplog.records if record.name.startswith("agentarmy_ops")]
    lines = [record.getMessage() for record in ours]
    assert lines == [
        "refused wrong_token from 127.0.0.1: '/fleet'",
        "refused wrong_token from 127.0.0.1: '/login'",
        'refused bad_session from 127.0.0.1: "/a\'b"',
        "refused bad_path from 127.0.0.1: '/x\\nforged line'",
    ]
    assert not any(almost in str(vars(record)) for record in ours)


def test_first_visits_old_pages_and_clients_held_back_are_not_logged(
    fresh_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    fresh_site.get("/fleet")
    left = fresh_site.cookie()
    fresh_site.post("/logout", headers=left)
    assert fresh_site.get("/fleet", headers=left).status_code == 401
    assert "refused" not in caplog.text
    for _ in range(12):
        fresh_site.get("/fleet", headers=bearer("wrong"))
    assert caplog.text.count("refused wrong_token") == 10
    assert "rate_limited" not in caplog.text
