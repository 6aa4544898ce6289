import time
from typing import Any

import jwt
from websockets.exceptions import ConnectionClosed

from agentarmy_ops.web.auth.identity import Role
from agentarmy_ops.web.auth.sessions import LIFETIME, session_key
from agentarmy_ops_tests.web.site import OPERATOR, PAGE, TOKENS, VIEWER, Site, site_of

_NAME = "agentarmy-session"
_TOKENS = {Role.OPERATOR: OPERATOR, Role.VIEWER: VIEWER}


def _cookie(text: str, name: str = _NAME) -> dict[str, str]:
    return {"Cookie": f"{name}={text}"}


def _status(site: Site, text: str) -> int:
    return site.get("/fleet", headers=_cookie(text)).status_code


def _claims(role: Role, seconds_ago: int = 0) -> dict[str, Any]:
    """Those of a session that began then."""
    began = int(time.time()) - seconds_ago
    return {"role": role.value, "iat": began, "exp": began + LIFETIME, "jti": "1"}


def _signed(claims: dict[str, Any], role: Role = Role.OPERATOR) -> str:
    """As the gateway signs sessions of this role."""
    return jwt.encode(claims, session_key(_TOKENS[role], role), algorithm="HS256")


def _session(role: Role, seconds_ago: int = 0) -> str:
    return _signed(_claims(role, seconds_ago), role)


def test_good_session(token_site: Site) -> None:
    """For comparison: the cookie of the login => 200; `HttpOnly`, `SameSite=Lax`, 12 hours"""
    answer = token_site.log_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == _NAME
    assert {part.strip() for part in rest.split(";")[1:]} == {
        "HttpOnly",
        "SameSite=lax",
        "Path=/",
        f"Max-Age={LIFETIME}",
    }
    assert answer.headers["cache-control"] == "no-store"
    seen = token_site.get("/fleet", headers=token_site.cookie(VIEWER))
    assert seen.json() == {
        "path": "/fleet",
        "agentarmy.role": "viewer",
        "agentarmy.user": "viewer",
        "agentarmy.session": True,
    }


def test_expired_session(token_site: Site) -> None:
    """A session that has expired, or begins later => 401; a browser is sent to `/login`"""
    assert _status(token_site, _session(Role.OPERATOR, LIFETIME - 60)) == 200
    expired = _session(Role.OPERATOR, LIFETIME)
    assert _status(token_site, expired) == 401
    assert _status(token_site, _session(Role.OPERATOR, -60)) == 401
    page = token_site.get("/fleet?q=a b&page=2", headers={**_cookie(expired), **PAGE})
    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=/fleet%3Fq%3Da%2520b%26page%3D2"


def test_session_of_another_key(token_site: Site) -> None:
    """A session signed with another key, with a token itself, or with no key => 401"""
    claims = _claims(Role.OPERATOR)
    other = session_key(OPERATOR[::-1], Role.OPERATOR)
    for key in ("another key of some 32 characters", OPERATOR, VIEWER, "0" * 32, other):
        assert _status(token_site, jwt.encode(claims, key, algorithm="HS256")) == 401


def test_session_without_signature(token_site: Site) -> None:
    """A session with `alg=none`, without its signature, or another's signature => 401"""
    good = _session(Role.OPERATOR)
    header, claims, signature = good.split(".")
    assert _status(token_site, good) == 200
    unsigned = jwt.encode(jwt.decode(good, options={"verify_signature": False}), "", "none")
    other = _session(Role.OPERATOR, 60).split(".")[1]
    for text in (
        unsigned,
        unsigned + signature,
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{other}.{signature}",
        "",
        "...",
        good.replace(".", "", 1),
    ):
        assert _status(token_site, text) == 401, text


def test_viewer_becomes_operator(token_site: Site) -> None:
    """A viewer's session that says operator, signed by whoever knows the viewer's token => 401"""
    with_viewers_token = session_key(VIEWER, Role.OPERATOR)
    claims = _claims(Role.OPERATOR)
    assert _status(token_site, jwt.encode(claims, with_viewers_token, algorithm="HS256")) == 401
    assert _status(token_site, _signed(claims, Role.VIEWER)) == 401
    assert _status(token_site, _session(Role.VIEWER)) == 200


def test_session_without_end(token_site: Site) -> None:
    """A session without an end, a beginning, an id or a role, though rightly signed => 401"""
    claims = _claims(Role.OPERATOR)
    for name in claims:
        less = {other: value for other, value in claims.items() if other != name}
        assert _status(token_site, _signed(less)) == 401, name
    assert _status(token_site, _signed({**claims, "exp": "never"})) == 401


def test_after_logout(token_site: Site) -> None:
    """A copy of the cookie, after the logout => 401"""
    cookie, other = token_site.cookie(), token_site.cookie()
    left = token_site.post("/logout", headers={**cookie, **token_site.own_page})
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert token_site.get("/fleet", headers=cookie).status_code == 401
    assert token_site.get("/fleet", headers=other).status_code == 200


def test_changed_token() -> None:
    """A session, after its token was changed => 401; sessions of the other token stay"""
    with site_of(**TOKENS) as site:
        operator, viewer = site.cookie(OPERATOR), site.cookie(VIEWER)
    with site_of(
        **{**TOKENS, "gateway_operator_token": "another-token-of-32-characters-x"}
    ) as site:
        assert site.get("/fleet", headers=operator).status_code == 401
        assert site.get("/fleet", headers=viewer).status_code == 200


def test_planted_cookie() -> None:
    """Over https, a cookie without `__Host-`, as a neighbouring site could plant => 401"""
    with site_of(**TOKENS, gateway_url="https://ops.example.com") as site:
        answer = site.log_in()
        assert answer.headers["set-cookie"].startswith("__Host-agentarmy-session=")
        assert "; Secure" in answer.headers["set-cookie"]
        text = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
        assert _status(site, text) == 401
        good = site.get("/fleet", headers=_cookie(text, f"__Host-{_NAME}"))
        assert good.status_code == 200


def test_wrong_bearer_beside_a_session(token_site: Site) -> None:
    """A wrong token beside a good session => 401: what is given is what counts"""
    headers = {**token_site.cookie(), "Authorization": "Bearer wrong"}
    assert token_site.get("/fleet", headers=headers).status_code == 401


def test_websocket_outlives_its_session(token_site: Site) -> None:
    """A websocket that is still open when its session ends => closed with 1008"""
    text = _session(Role.OPERATOR, LIFETIME - 2)
    with token_site.websocket(**_cookie(text), **token_site.own_page) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "hello"
        try:
            websocket.recv(timeout=60)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == 1008
        else:
            raise AssertionError("it stayed open")
