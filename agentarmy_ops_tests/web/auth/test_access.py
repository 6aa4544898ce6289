"""Settings that would let in nobody, or more than they seem to."""

from typing import Any

import pytest

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.web.auth.access import create_access
from agentarmy_ops_tests.web.site import METRICS, OPERATOR, TOKENS, VIEWER, settings_of

_IAP: dict[str, Any] = {
    "gateway_auth": "iap",
    "gateway_iap_audience": "/projects/1/global/backendServices/2",
    "gateway_iap_operators": "ann@example.com",
}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"gateway_auth": "token"}, ["GATEWAY_OPERATOR_TOKEN", "GATEWAY_VIEWER_TOKEN"]),
        ({**TOKENS, "gateway_viewer_token": OPERATOR}, ["are the same"]),
        ({**TOKENS, "metrics_token": OPERATOR}, ["METRICS_TOKEN", "GATEWAY_OPERATOR_TOKEN"]),
        ({**TOKENS, "metrics_token": VIEWER}, ["METRICS_TOKEN", "GATEWAY_VIEWER_TOKEN"]),
        (
            {**TOKENS, "gateway_operator_token": OPERATOR + "\n"},
            ["GATEWAY_OPERATOR_TOKEN", "line end"],
        ),
        ({**TOKENS, "gateway_viewer_token": "é" * 32}, ["GATEWAY_VIEWER_TOKEN", "ASCII"]),
        ({"metrics_token": METRICS + " x"}, ["METRICS_TOKEN", "space"]),
        ({**_IAP, "gateway_iap_audience": None}, ["GATEWAY_IAP_AUDIENCE"]),
        ({**_IAP, "gateway_iap_operators": " , "}, ["GATEWAY_IAP_OPERATORS", "nobody"]),
        ({**_IAP, "gateway_iap_operators": "example.com"}, ["'example.com'", "OPERATORS"]),
        ({**_IAP, "gateway_iap_viewers": "@example.com"}, ["'@example.com'", "VIEWERS"]),
        ({**_IAP, "gateway_iap_viewers": "ann@"}, ["'ann@'"]),
        ({**_IAP, "gateway_iap_viewers": "a@b@c"}, ["'a@b@c'"]),
        ({**_IAP, "gateway_iap_viewers": "ann;bob@é.com"}, ["no e-mail address"]),
        ({**_IAP, "gateway_iap_viewers": "ANN@example.com"}, ["choose one"]),
        ({"gateway_operator_token": OPERATOR}, ["GATEWAY_OPERATOR_TOKEN", "GATEWAY_AUTH=none"]),
        ({"gateway_viewer_token": VIEWER}, ["GATEWAY_VIEWER_TOKEN", "GATEWAY_AUTH=none"]),
        ({"gateway_iap_audience": "x"}, ["GATEWAY_IAP_AUDIENCE", "GATEWAY_AUTH=none"]),
        ({"gateway_url": "ops.example.com"}, ["GATEWAY_URL"]),
        ({"gateway_url": "ftp://ops.example.com"}, ["GATEWAY_URL"]),
        ({"gateway_url": "https://"}, ["GATEWAY_URL"]),
        ({"gateway_url": "https://ops.example.com/ops"}, ["GATEWAY_URL"]),
        ({"gateway_url": "https://ops.example.com?x"}, ["GATEWAY_URL"]),
        ({"gateway_url": "https://ann@ops.example.com"}, ["GATEWAY_URL"]),
        ({"gateway_url": "https://ops.example.com:x"}, ["GATEWAY_URL"]),
        ({"gateway_trusted_proxies": "*"}, ["GATEWAY_TRUSTED_PROXIES", "'*'"]),
        ({"gateway_trusted_proxies": "10.0.0.1, lb.example.com"}, ["'lb.example.com'"]),
        ({"gateway_trusted_proxies": "10.0.0.1/8"}, ["'10.0.0.1/8'"]),
        ({"gateway_trusted_proxies": "10.0.0.1,0.0.0.0/0"}, ["0.0.0.0/0 is everybody"]),
        ({"gateway_trusted_proxies": "::/0"}, ["::/0 is everybody"]),
    ],
)
def test_refused(values: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        create_access(settings_of(**values))
    message = str(refused.value)
    assert all(name in message for name in names), message
    assert "\n" not in message
    for secret in (OPERATOR, VIEWER, METRICS, "é" * 32):
        assert secret not in message


@pytest.mark.parametrize(
    ("values", "logs_in", "loopback_only"),
    [
        ({}, False, True),
        ({"gateway_url": "https://ops.example.com/"}, False, True),
        (TOKENS, True, False),
        ({**TOKENS, "gateway_viewer_token": None}, True, False),
        ({**TOKENS, "gateway_operator_token": None, "metrics_token": METRICS}, True, False),
        (_IAP, False, False),
        ({**_IAP, "gateway_iap_operators": "", "gateway_iap_viewers": "bob@b.c,"}, False, False),
    ],
)
def test_accepted(values: dict[str, Any], logs_in: bool, loopback_only: bool) -> None:
    access = create_access(settings_of(**values))
    assert bool(access.routes) is logs_in
    assert access.loopback_only is loopback_only
