import time

from agentarmy_ops.web.auth.body_limit import BODY, STRANGERS_BODY
from agentarmy_ops.web.auth.rate_limit import FAILURES_OF_ONE
from agentarmy_ops_tests.web.site import METRICS, OPERATOR, TOKENS, Site, bearer, site_of


def test_many_wrong_tokens(fresh_site: Site) -> None:
    """More than ten wrong tokens in a minute, by header or form => 429 with `Retry-After`, for the
    right one, too; sessions stay"""
    cookie = fresh_site.cookie()
    for number in range(FAILURES_OF_ONE):
        wrong = f"wrong {number}"
        tried = (
            fresh_site.log_in(wrong)
            if number % 2
            else fresh_site.get("/fleet", headers=bearer(wrong))
        )
        assert tried.status_code == 401
    for answer in (
        fresh_site.get("/fleet", headers=bearer("wrong")),
        fresh_site.get("/fleet", headers=bearer(OPERATOR)),
        fresh_site.get("/metrics", headers=bearer(METRICS)),
        fresh_site.log_in(OPERATOR),
    ):
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "set-cookie" not in answer.headers
    assert fresh_site.get("/fleet", headers=cookie).status_code == 200


def test_other_addresses(fresh_site: Site) -> None:
    """The same, each time under another `X-Forwarded-For` => 429"""
    for number in range(FAILURES_OF_ONE):
        headers = {**bearer("wrong"), "X-Forwarded-For": f"192.0.2.{number}"}
        fresh_site.get("/fleet", headers=headers)
    headers = {**bearer(OPERATOR), "X-Forwarded-For": "198.51.100.1", "Forwarded": "for=1.2.3.4"}
    assert fresh_site.get("/fleet", headers=headers).status_code == 429


def test_other_addresses_before_a_proxy() -> None:
    """The same through a proxy of `GATEWAY_TRUSTED_PROXIES`, which adds whom it saw => 429 for that
    one, and not for others"""
    with site_of(**TOKENS, gateway_trusted_proxies="127.0.0.1, 10.0.0.0/24") as site:

        def tried(token: str, chain: str) -> int:
            headers = {**bearer(token), "X-Forwarded-For": chain}
            return site.get("/fleet", headers=headers).status_code

        for number in range(FAILURES_OF_ONE):
            assert tried("wrong", f"192.0.2.{number}, 198.51.100.1, 10.0.0.7") == 401
        assert tried(OPERATOR, "203.0.113.5, 198.51.100.1, 10.0.0.7") == 429
        assert tried(OPERATOR, "198.51.100.1, 198.51.100.2, 10.0.0.7") == 200


def test_forwarded_scheme() -> None:
    """`X-Forwarded-Proto: https` by anybody => not believed; a trusted proxy is"""
    https = {"X-Forwarded-Proto": "https"}
    for proxies, name in (("10.0.0.1", "agentarmy-session"), ("127.0.0.1", "__Host-agentarmy-")):
        with site_of(**TOKENS, gateway_trusted_proxies=proxies) as site:
            answer = site.post("/login", data={"token": OPERATOR}, headers=https)
            assert answer.headers["set-cookie"].startswith(name)
            origin = {"Origin": site.url.replace("http:", "https:")}
            answer = site.post("/login", data={"token": OPERATOR}, headers={**https, **origin})
            assert answer.status_code == (303 if proxies == "127.0.0.1" else 403)


def test_large_body(fresh_site: Site) -> None:
    """A body of more than 16 KiB by a stranger, 8 MiB by others, announced or not => 413"""

    def pieces(size: int) -> list[bytes]:
        return [b"x" * 8192] * (size // 8192)

    for large in (b"x" * (STRANGERS_BODY + 1), iter([*pieces(STRANGERS_BODY), b"x"])):
        answer = fresh_site.post("/login", content=large, headers={"Content-Type": _FORM})
        assert answer.status_code == 413
    headers = bearer(OPERATOR)
    for large in (b"x" * (BODY + 1), iter([*pieces(BODY), b"x"])):
        assert fresh_site.post("/graphql", content=large, headers=headers).status_code == 413
    assert fresh_site.post("/graphql", content=b"x" * BODY, headers=headers).status_code == 200
    just_fits = b"token=" + b"x" * (STRANGERS_BODY - 6)
    answer = fresh_site.post("/login", content=just_fits, headers={"Content-Type": _FORM})
    assert answer.status_code == 401


def test_many_fields(fresh_site: Site) -> None:
    """A login form of many fields, or of files => 400"""
    many = "&".join(f"a{number}=1" for number in range(100))
    answer = fresh_site.post("/login", content=many, headers={"Content-Type": _FORM})
    assert answer.status_code == 400
    assert fresh_site.post("/login", files={"token": b"x"}).status_code == 400


def test_huge_session(fresh_site: Site) -> None:
    """A cookie of 32 kB, or a session of many dots => 401, at once"""
    began = time.monotonic()
    for text in ("x" * 32_000, "." * 32_000, "eyJ" * 10_000 + ".e30."):
        answer = fresh_site.get("/fleet", headers={"Cookie": f"agentarmy-session={text}"})
        assert answer.status_code == 401
    assert time.monotonic() - began < 30


_FORM = "application/x-www-form-urlencoded"
