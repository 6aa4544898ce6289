import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from websockets.exceptions import InvalidStatus

from agentarmy_ops.web.auth.access import create_access
from agentarmy_ops.web.auth.iap import LEEWAY
from agentarmy_ops_tests.web.google import (
    AUDIENCE,
    HEADER,
    ISSUER,
    Google,
    google,
    new_key,
    unsigned,
)
from agentarmy_ops_tests.web.site import (
    METRICS,
    PAGE,
    Site,
    bearer,
    behind,
    served,
    settings_of,
)

IAP: dict[str, Any] = {
    "gateway_auth": "iap",
    "gateway_iap_audience": AUDIENCE,
    "gateway_iap_operators": "Ann@Example.com",
    "gateway_iap_viewers": "bob@example.com, eve@example.com",
    "metrics_token": METRICS,
}


@pytest.fixture(scope="module")
def keys() -> Iterator[Google]:
    with google() as keys:
        yield keys


@pytest.fixture(scope="module")
def site(keys: Google) -> Iterator[Site]:
    """``GATEWAY_AUTH=iap``."""
    with served(behind(create_access(settings_of(**IAP), iap_keys_url=keys.url))) as site:
        yield site


def _status(site: Site, assertion: str) -> int:
    return site.get("/fleet", headers={HEADER: assertion}).status_code


def test_good_assertion(site: Site, keys: Google) -> None:
    """For comparison: a good assertion of an address in a list => 200 and its role"""
    for email, role in (("ann@example.com", "operator"), ("bob@example.com", "viewer")):
        answer = site.get("/fleet", headers={HEADER: keys.sign(keys.claims(email=email))})
        assert answer.json() == {
            "path": "/fleet",
            "agentarmy.role": role,
            "agentarmy.user": email,
            "agentarmy.session": False,
        }


def test_no_assertion(site: Site) -> None:
    """IAP: no assertion, or the address in the header that is not signed => 401"""
    claimed = {
        "X-Goog-Authenticated-User-Email": "accounts.google.com:ann@example.com",
        "X-Goog-Authenticated-User-ID": "accounts.google.com:1234567890",
    }
    for headers in ({}, claimed, {**claimed, HEADER: ""}, {**claimed, HEADER: "..."}, PAGE):
        assert site.get("/fleet", headers=headers).status_code == 401
    assert site.get("/login").status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        site.websocket()
    assert refused.value.response.status_code == 403


def test_two_assertions(site: Site, keys: Google) -> None:
    """IAP: the assertion twice, both good => 400"""
    good = keys.sign(keys.claims())
    assert site.raw("/fleet", [(HEADER, good)]).status == 200
    assert site.raw("/fleet", [(HEADER, good), (HEADER, good)]).status == 400


def test_assertion_elsewhere(site: Site, keys: Google) -> None:
    """IAP: the assertion as bearer token, cookie or in the query string => 401"""
    good = keys.sign(keys.claims())
    assert site.get("/fleet", headers=bearer(good)).status_code == 401
    assert site.get("/fleet", params={HEADER: good}).status_code == 401
    assert site.get("/fleet", headers={"Cookie": f"{HEADER}={good}"}).status_code == 401


def test_unsigned_assertion(site: Site, keys: Google) -> None:
    """IAP: `alg=none`, in any case, with or without a signature => 401"""
    claims = keys.claims()
    signature = keys.sign(claims).rpartition(".")[2].encode()
    for algorithm in ("none", "None", "NONE", "nOnE", "", None, 1, ["ES256"]):
        for kid in ("one", None):
            header = {"alg": algorithm, "typ": "JWT", "kid": kid}
            assert _status(site, unsigned(header, claims)) == 401, header
            assert _status(site, unsigned(header, claims, signature)) == 401, header
    head, body, _ = keys.sign(claims).split(".")
    assert _status(site, f"{head}.{body}.") == 401
    assert _status(site, f"{head}.{body}") == 401
    other = keys.sign(keys.claims(email="bob@example.com")).split(".")[1]
    assert _status(site, f"{head}.{other}.{signature.decode()}") == 401


def test_public_key_as_secret(site: Site, keys: Google) -> None:
    """IAP: `HS256` with Google's public key as the secret => 401"""
    document = keys.document()
    for secret in (keys.public_pem(), keys.public_pem().strip(), document, b"one"):
        for algorithm in ("HS256", "ES256"):
            header = {"alg": algorithm, "typ": "JWT", "kid": "one"}
            text = unsigned(header, keys.claims()).rstrip(".")
            signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
            assert _status(site, unsigned(header, keys.claims(), signature)) == 401


def test_another_key(site: Site, keys: Google) -> None:
    """IAP: signed with a key that is not Google's: under its id, its own, within the token, RSA
    => 401"""
    own = new_key()
    public = jwt.algorithms.ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    for header in (
        {"kid": "one"},
        {"kid": "two"},
        {},
        {"kid": "one", "jwk": public},
        {"kid": "one", "jku": keys.url, "x5u": keys.url},
        {"kid": "../one"},
        {"kid": ""},
    ):
        assertion = jwt.encode(keys.claims(), own, "ES256", headers=header)
        assert _status(site, assertion) == 401, header
    rsa = jwt.encode(keys.claims(), generate_private_key(65537, 2048), "RS256", {"kid": "one"})
    assert _status(site, rsa) == 401
    header = {"alg": "ES256", "kid": {"one": 1}}
    assert _status(site, unsigned(header, keys.claims(), b"x" * 64)) == 401


def test_another_audience(site: Site, keys: Google) -> None:
    """IAP: an assertion for another service, for several, or for none => 401"""
    for audience in (
        AUDIENCE[:-1],
        AUDIENCE + "0",
        AUDIENCE.replace("backend", "Backend"),
        "/projects/123456789/apps/x",
        "",
        None,
        [AUDIENCE],
        [AUDIENCE, "other"],
        {AUDIENCE: 1},
    ):
        assert _status(site, keys.sign(keys.claims(aud=audience))) == 401, audience


def test_another_issuer(site: Site, keys: Google) -> None:
    """IAP: another issuer, or none => 401"""
    for issuer in (
        "https://accounts.google.com",
        ISSUER + "/",
        ISSUER.replace("s:", ":"),
        "",
        None,
    ):
        assert _status(site, keys.sign(keys.claims(iss=issuer))) == 401, issuer


def test_another_time(site: Site, keys: Google) -> None:
    """IAP: expired, not yet valid, or without a time => 401; half a minute of leeway"""
    now = int(time.time())
    for changed in (
        {"exp": now - LEEWAY - 2},
        {"iat": now + LEEWAY + 60},
        {"nbf": now + LEEWAY + 60},
        {"exp": None},
        {"iat": None},
        {"exp": "never"},
        {"iat": "now"},
    ):
        assert _status(site, keys.sign(keys.claims(**changed))) == 401, changed
    assert _status(site, keys.sign(keys.claims(exp=now - LEEWAY + 15))) == 200
    assert _status(site, keys.sign(keys.claims(iat=now + LEEWAY - 5))) == 200


def test_another_address(site: Site, keys: Google) -> None:
    """IAP: an address in no list, though of the same domain, or one that resembles => 403"""
    for email in (
        "mallory@example.com",
        "ann@example.com.evil.example",
        "ann@evil.example",
        "xann@example.com",
        "ann@example.co",
        "accounts.google.com:ann@example.com",
        "ann@example.com,bob@example.com",
        " ann@example.com",
        "ann+x@example.com",
        "example.com",
        "",
        "bo\u0062\u200b@example.com",
        ["ann@example.com"],
        1,
        True,
    ):
        assert _status(site, keys.sign(keys.claims(email=email))) == 403, email
    assert _status(site, keys.sign(keys.claims(email=None))) == 401


def test_case_of_an_address(keys: Google) -> None:
    """IAP: an address in capitals => 200; with a letter that only becomes the same, 403"""
    values = {**IAP, "gateway_iap_operators": "Kim@example.com"}
    with served(behind(create_access(settings_of(**values), iap_keys_url=keys.url))) as site:
        for email in ("kim@example.com", "KIM@EXAMPLE.COM"):
            assert _status(site, keys.sign(keys.claims(email=email))) == 200
        kelvin = "\N{KELVIN SIGN}im@example.com"
        assert kelvin.lower() == "kim@example.com"
        assert _status(site, keys.sign(keys.claims(email=kelvin))) == 403


def test_foreign_page_behind_the_proxy(site: Site, keys: Google) -> None:
    """IAP: a POST or websocket of a page of another site, which the proxy lets through => 403"""
    good = {HEADER: keys.sign(keys.claims())}
    evil = {"Origin": "https://evil.example"}
    assert site.post("/graphql", headers={**good, **evil}).status_code == 403
    assert site.post("/graphql", headers={**good, **site.own_page}).status_code == 200
    assert site.post("/graphql", headers=good).status_code == 200  # a program, through the proxy
    with pytest.raises(InvalidStatus):
        site.websocket(**good, **evil)
    with site.websocket(**good, **site.own_page):
        pass
    viewer = {HEADER: keys.sign(keys.claims(email="bob@example.com"))}
    assert site.send("DELETE", "/x", headers={**viewer, **site.own_page}).status_code == 403


def test_keys_out_of_reach(keys: Google) -> None:
    """IAP: Google's keys cannot be read => 503 with `Retry-After`, open to nobody"""
    good = keys.sign(keys.claims())
    for fault in (500, 404, b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": 1}', b"\xff\xfe"):
        keys.fault = fault
        try:
            with served(behind(create_access(settings_of(**IAP), iap_keys_url=keys.url))) as site:
                answer = site.get("/fleet", headers={HEADER: good})
                assert answer.status_code == 503, fault
                assert int(answer.headers["retry-after"]) > 0
                assert "Traceback" not in answer.text
        finally:
            keys.fault = None
    nowhere = "http://127.0.0.1:1/keys"
    with served(behind(create_access(settings_of(**IAP), iap_keys_url=nowhere))) as site:
        assert _status(site, good) == 503
        assert _status(site, unsigned({"alg": "none"}, keys.claims())) == 401


def test_made_up_keys(keys: Google) -> None:
    """IAP: assertions that name ever new keys => 401; Google is asked once in ten seconds"""
    with served(behind(create_access(settings_of(**IAP), iap_keys_url=keys.url))) as site:
        keys.asked = 0
        for number in range(20):
            header = {"kid": f"made up {number}"}
            assertion = jwt.encode(keys.claims(), new_key(), "ES256", headers=header)
            assert _status(site, assertion) == 401
        assert _status(site, keys.sign(keys.claims())) == 200
        assert keys.asked == 1
