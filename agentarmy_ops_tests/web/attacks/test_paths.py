import pytest

from agentarmy_ops_tests.web.site import OPERATOR, Site, bearer

_NOT_PLAIN = [
    "//health/../graphql",
    "/health/../graphql",
    "/health/./../graphql",
    "/health/..%2fgraphql",
    "/health/%2e%2e/graphql",
    "/static/../graphql",
    "/static/%2e%2e%2fgraphql",
    "/static//graphql",
    "//health",
    "//static/base.css",
    "/.",
    "/..",
    "/health/..",
    "/health%5cgraphql",
    "/static\\..\\graphql",
    "/health%0a",
    "/health%00",
    "/login%0d%0aX: y",
    "/graphql%0a",
    "/%7f",
]
_OTHERS = [
    "/HEALTH",
    "/Login",
    "/health;x",
    "/health/",
    "/health/x",
    "/health/ready/",
    "/health/ready/x",
    "/healthy",
    "/health%2fx",
    "/health%252f..%252fgraphql",
    "/metricsfoo",
    "/metrics/",
    "/metrics;x",
    "/loginx",
    "/login/",
    "/login;/fleet",
    "/static",
    "/staticfoo",
    "/graphql/",
    "/graphql?x=/health",
    "/graphql?/health",
    "/graphql#/health",
    "/server_info",
    "/favicon.ico",
    "/%EF%BD%88ealth",
]


@pytest.mark.parametrize("as_operator", [False, True], ids=["nobody", "operator"])
def test_ambiguous_paths(token_site: Site, as_operator: bool) -> None:
    """`..`, `.`, `//`, a backslash or a control character in the path, plain or encoded => 400,
    for operators, too"""
    headers = [*bearer(OPERATOR).items()] if as_operator else []
    for path in _NOT_PLAIN:
        answer = token_site.raw(path.replace(" ", "%20"), headers)
        assert answer.status == 400, path


def test_nearly_open_paths(token_site: Site) -> None:
    """Paths that only resemble open ones: other case, `;`, a slash more, encoded twice => 401"""
    for path in _OTHERS:
        answer = token_site.raw(path)
        assert answer.status == 401, path


def test_open_paths_by_other_methods(token_site: Site) -> None:
    """Open paths by other methods than theirs, which another route would answer => 401"""
    for path in ("/health", "/health/ready", "/static/base.css", "/login", "/logout"):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = token_site.send(method, path)
            theirs = {"/login": ("GET", "POST"), "/logout": ("POST",)}.get(path, ("GET",))
            refused = "www-authenticate" in answer.headers
            assert refused is (method not in theirs), (method, path)


def test_open_paths(token_site: Site) -> None:
    """For comparison: `/health`, `/health/ready` and `/startup`, `/login`, `/static/` => 200"""
    for path in ("/health", "/health/ready", "/health/startup", "/login", "/static/base.css"):
        assert token_site.get(path).status_code == 200, path
    # By name, not by pattern: what is there under them is nobody.
    assert token_site.get("/health").json()["agentarmy.role"] is None


def test_whole_address(token_site: Site) -> None:
    """A whole address as the request's target, of another host, too => as its path, 401 or 400"""
    for host in ("127.0.0.1", "evil.example"):
        assert token_site.raw(f"http://{host}/graphql").status == 401
        assert token_site.raw(f"http://{host}/health/../graphql").status == 400
        assert token_site.raw(f"http://{host}//health").status == 400
    assert token_site.raw("*").status == 400
    assert token_site.raw("graphql").status == 400


def test_static_files_only(token_site: Site) -> None:
    """A file outside of `/static/`, by links or encoded paths => 400 or 404"""
    for path in ("/static/..%2fpages.py", "/static/%2e%2e/pages.py", "/static/%5c..%5cpages.py"):
        assert token_site.raw(path).status == 400, path
    for path in ("/static/", "/static/templates", "/static/%252e%252e%252fpages.py"):
        assert token_site.raw(path).status == 404, path
    assert token_site.post("/static/base.css", headers=bearer(OPERATOR)).status_code == 405
