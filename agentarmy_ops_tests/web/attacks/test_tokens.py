import inspect

import pytest
from websockets.exceptions import InvalidStatus

from agentarmy_ops.web.auth.metrics_gate import MetricsGate
from agentarmy_ops.web.auth.tokens import TokenGate, same
from agentarmy_ops_tests.web.site import METRICS, OPERATOR, PAGE, VIEWER, Site, bearer


def test_nothing(token_site: Site) -> None:
    """No token => 401 with `WWW-Authenticate`; a browser is sent to `/login`"""
    for path in ("/", "/fleet", "/graphql", "/metrics", "/runs/1", "/server_info"):
        answer = token_site.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        page = token_site.get(path, headers=PAGE)
        assert (page.status_code, page.headers["location"]) == (303, f"/login?next={path}")
        # What is not asked for to be looked at is not sent anywhere.
        assert token_site.post(path, headers=PAGE).status_code == 401


def test_wrong_token(fresh_site: Site) -> None:
    """A wrong, empty, cut or longer token, in other case, or the one of `/metrics` => 401"""
    other_case = OPERATOR.upper()
    for token in ("wrong", "", " ", OPERATOR[:-1], OPERATOR + "x", other_case, METRICS, "é" * 33):
        answer = fresh_site.raw("/fleet", [("Authorization", f"Bearer {token}")])
        assert answer.status == 401, token
        assert b"operator" not in answer.body
    assert fresh_site.get("/fleet", headers=bearer(OPERATOR)).status_code == 200


def test_time_tells_nothing() -> None:
    """Measuring how long wrong tokens take => nothing: digests are compared in constant time"""
    assert "return hmac.compare_digest(" in inspect.getsource(same)
    for function in (TokenGate.try_token, MetricsGate.identify):
        assert "same(" in inspect.getsource(function)


def test_other_scheme(token_site: Site) -> None:
    """The token under another scheme of `Authorization` => 401"""
    for value in (f"Basic {OPERATOR}", f"Token {OPERATOR}", OPERATOR, f"Bearer, {OPERATOR}"):
        answer = token_site.get("/", headers={"Authorization": value})
        assert answer.status_code == 401, value


def test_token_elsewhere(token_site: Site) -> None:
    """The token in the query string, the body, a cookie or another header => 401"""
    for name in ("token", "access_token", "authorization"):
        assert token_site.get("/fleet", params={name: OPERATOR}).status_code == 401
        assert token_site.post("/fleet", data={name: OPERATOR}).status_code == 401
        assert token_site.get("/fleet", headers={"Cookie": f"{name}={OPERATOR}"}).status_code == 401
        assert token_site.get("/fleet", headers={f"X-{name}": OPERATOR}).status_code == 401
    assert (
        token_site.get("/fleet", headers={"Cookie": f"agentarmy-session={OPERATOR}"}).status_code
        == 401
    )


def test_two_tokens(token_site: Site) -> None:
    """The header `Authorization` twice => 400, even if both are right"""
    for tokens in ((VIEWER, OPERATOR), (OPERATOR, OPERATOR)):
        headers = [("Authorization", f"Bearer {token}") for token in tokens]
        assert token_site.raw("/fleet", headers).status == 400


def test_headers_of_ours(token_site: Site) -> None:
    """Headers that claim a role, a user, an address or another method => 401"""
    claims = {
        "agentarmy.role": "operator",
        "X-Role": "operator",
        "X-Forwarded-User": "operator",
        "X-Forwarded-For": "127.0.0.1",
        "X-Goog-Authenticated-User-Email": "accounts.google.com:ann@example.com",
        "X-Original-URL": "/health",
        "X-Rewrite-URL": "/health",
        "X-HTTP-Method-Override": "GET",
    }
    assert token_site.get("/fleet", headers=claims).status_code == 401
    assert token_site.post("/fleet", headers={**claims, **bearer(VIEWER)}).status_code == 403


def test_websocket_without_token(fresh_site: Site) -> None:
    """A websocket without, or with a wrong, token => 403, never accepted"""
    for headers in ({}, bearer("wrong"), fresh_site.own_page):
        for path in ("/graphql", "/health", "/login", "/static/base.css", "/metrics"):
            with pytest.raises(InvalidStatus) as refused:
                fresh_site.websocket(path, **headers)
            assert refused.value.response.status_code == 403


def test_right_token(token_site: Site) -> None:
    """For comparison: the right token => 200 and its role, by websocket too"""
    for token, role in ((OPERATOR, "operator"), (VIEWER, "viewer")):
        answer = token_site.get("/fleet", headers={"Authorization": f"bEARER {token}"})
        assert answer.status_code == 200
        assert answer.json()["agentarmy.role"] == role
        with token_site.websocket(**bearer(token)) as websocket:
            websocket.send("hello")
            assert websocket.recv() == "hello"
