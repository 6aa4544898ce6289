import pytest
from websockets.exceptions import InvalidStatus

from agentarmy_ops_tests.web.site import OPERATOR, TOKENS, Site, bearer, site_of

_EVIL = [
    "http://evil.example",
    "null",
    "",
    "https://127.0.0.1",
    "http://127.0.0.1",
    "http://127.0.0.1.evil.example",
    "http://localhost:1",
    "file://",
    "http://[",
]


def _origins(site: Site) -> list[str]:
    """Others, and what only resembles ours: another scheme, another port, ours within theirs."""
    near = [
        f"https://127.0.0.1:{site.port}",
        f"http://127.0.0.1:{site.port + 1}",
        f"http://127.0.0.1:{site.port}.evil.example",
        f"http://127.0.0.1:{site.port}@evil.example",
        f"http://evil.example/?{site.url}",
    ]
    return [*_EVIL, *near]


def test_foreign_post(token_site: Site) -> None:
    """A form on another site that sends a POST with the session's cookie => 403"""
    cookie = token_site.cookie()
    for origin in _origins(token_site):
        headers = {**cookie, "Origin": origin}
        assert token_site.post("/graphql", headers=headers).status_code == 403, origin
        assert token_site.send("DELETE", "/x", headers=headers).status_code == 403, origin
    good = token_site.post("/graphql", headers={**cookie, **token_site.own_page})
    assert good.status_code == 200


def test_post_without_origin(token_site: Site) -> None:
    """A POST with the session's cookie that names no origin => 403; with a bearer token 200"""
    assert token_site.post("/graphql", headers=token_site.cookie()).status_code == 403
    assert token_site.post("/graphql", headers=bearer(OPERATOR)).status_code == 200


def test_two_origins(token_site: Site) -> None:
    """The header `Origin` twice, one of them ours => 400"""
    cookie = [*token_site.cookie().items()]
    for second in (token_site.url, "http://evil.example"):
        both = [("Origin", token_site.url), ("Origin", second)]
        assert token_site.raw("/graphql", [*cookie, *both], method="POST").status == 400


def test_foreign_websocket(token_site: Site) -> None:
    """A page of another site that opens a websocket with the session's cookie => 403"""
    cookie = token_site.cookie()
    for origin in _origins(token_site):
        with pytest.raises(InvalidStatus) as refused:
            token_site.websocket(**cookie, Origin=origin)
        assert refused.value.response.status_code == 403, origin
    with pytest.raises(InvalidStatus):
        token_site.websocket(**cookie)
    with token_site.websocket(**cookie, **token_site.own_page):
        pass


def test_foreign_login_and_logout(token_site: Site) -> None:
    """A page of another site that logs people in as somebody else, or out => 403"""
    cookie = token_site.cookie()
    for path in ("/login", "/logout"):
        headers = {**cookie, "Origin": "http://evil.example"}
        answer = token_site.post(path, data={"token": OPERATOR}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert token_site.get("/fleet", headers=cookie).status_code == 200


def test_link_back_to_evil(token_site: Site) -> None:
    """`/login?next=` with another site: `//evil`, `/\\evil`, `https:evil`, a tab => to `/`"""
    for target in (
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        " //evil.example",
        "evil.example",
        "",
    ):
        page = token_site.get("/login", params={"next": target})
        assert 'name="next" value="/"' in page.text, target
        answer = token_site.log_in(next=target)
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), target
    for target in ("/fleet/acme", "/assets/tenant_backup?partition=acme&view=events", "/a//b"):
        assert token_site.log_in(next=target).headers["location"] == target


def test_markup_in_the_login_page(token_site: Site) -> None:
    """Markup in `/login?next=` => is shown as text"""
    page = token_site.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


def test_rebound_name(open_site: Site) -> None:
    """`GATEWAY_AUTH=none`: a name of another site that leads to 127.0.0.1 (DNS rebinding) => 403"""
    paths = ("/", "/health", "/graphql", "/metrics")
    for host in (
        "evil.example",
        f"evil.example:{open_site.port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104 - a name that is tried, no address to bind to
        "[::]",
        "[",
        "",
    ):
        assert [open_site.raw(path, host=host).status for path in paths] == [403] * 4, host
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:1"):
        assert open_site.raw("/", host=host).status == 200, host


def test_passed_on_without_login(open_site: Site) -> None:
    """`GATEWAY_AUTH=none`: what a proxy or tunnel on this machine passes on from elsewhere => 403,
    unless it is for `GATEWAY_URL`"""
    for header in (
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"X-Real-IP": "192.0.2.1"},
        {"X-Forwarded-Host": "localhost"},
    ):
        assert open_site.get("/", headers=header).status_code == 403, header
    with site_of(gateway_url="https://ops.example.com") as site:
        through = [("X-Forwarded-For", "192.0.2.1")]
        assert site.raw("/", through, host="ops.example.com").status == 200
        assert site.raw("/", through, host="localhost").status == 403
        assert site.raw("/", host="localhost").status == 200


def test_foreign_page_without_login(open_site: Site) -> None:
    """`GATEWAY_AUTH=none`: a POST or websocket of a page of another site => 403"""
    for origin in _origins(open_site):
        assert open_site.post("/graphql", headers={"Origin": origin}).status_code == 403, origin
        with pytest.raises(InvalidStatus):
            open_site.websocket(Origin=origin)
    for fetched in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": fetched}
        assert open_site.post("/graphql", headers=headers).status_code == 403
    assert open_site.post("/graphql", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert open_site.post("/graphql").status_code == 200  # a program
    assert open_site.post("/graphql", headers=open_site.own_page).status_code == 200
    with open_site.websocket(**open_site.own_page):
        pass


def test_address_people_use() -> None:
    """Behind a proxy that speaks https: its own pages by `GATEWAY_URL` => 200; others 403"""
    with site_of(**TOKENS, gateway_url="https://ops.example.com") as site:
        text = site.log_in().headers["set-cookie"].partition(";")[0]
        for origin, status in (
            ("https://ops.example.com", 200),
            ("https://ops.example.com:443", 200),
            ("https://OPS.example.com", 200),
            ("http://ops.example.com", 403),
            ("https://ops.example.com:8443", 403),
            ("https://x.ops.example.com", 403),
        ):
            answer = site.post("/graphql", headers={"Cookie": text, "Origin": origin})
            assert answer.status_code == status, origin
