"""``GATEWAY_AUTH=iap``: Google's proxy says who it is, and signs what it says."""

from collections.abc import Mapping
from typing import Any

import jwt
from starlette.types import Scope

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings import Settings
from agentarmy_ops.web.auth.headers import only
from agentarmy_ops.web.auth.iap_keys import IapKeys, KeysUnreachableError
from agentarmy_ops.web.auth.identity import Identity, Reason, Refusal, Role, Way

HEADER = "x-goog-iap-jwt-assertion"
ISSUER = "https://cloud.google.com/iap"
LEEWAY = 30
"""Seconds that our clock and Google's may differ by."""


def read_addresses(settings: Settings) -> dict[str, Role]:
    """Roles by e-mail address in small letters.

    Raises:
        ConfigurationError: no audience, no address, or an address that says nothing clear.
    """
    if not settings.gateway_iap_audience:
        raise ConfigurationError(
            "GATEWAY_AUTH=iap needs GATEWAY_IAP_AUDIENCE: without it an assertion made for any "
            "other service of Google Cloud would let in"
        )
    addresses: dict[str, Role] = {}
    for role, given in (
        (Role.OPERATOR, settings.gateway_iap_operators),
        (Role.VIEWER, settings.gateway_iap_viewers),
    ):
        for text in filter(None, (part.strip() for part in given.split(","))):
            address = _folded(text)
            name, _, domain = (address or "").partition("@")
            if address is None or not name or not domain or "@" in domain:
                raise ConfigurationError(
                    f"GATEWAY_IAP_{role.upper()}S: {text!r} is no e-mail address; name people one "
                    "by one, separated by commas"
                )
            if addresses.setdefault(address, role) is not role:
                raise ConfigurationError(
                    f"{text} is in GATEWAY_IAP_OPERATORS and in GATEWAY_IAP_VIEWERS: choose one"
                )
    if not addresses:
        raise ConfigurationError(
            "GATEWAY_AUTH=iap needs an address in GATEWAY_IAP_OPERATORS or GATEWAY_IAP_VIEWERS: "
            "nobody could enter"
        )
    return addresses


class IapGate:
    """Knows people by the proxy's assertion."""

    def __init__(self, keys: IapKeys, audience: str, addresses: Mapping[str, Role]) -> None:
        self._keys = keys
        self._audience = audience
        self._addresses = addresses

    async def identify(self, scope: Scope) -> Identity | Refusal:
        """Whoever sent the request. ``x-goog-authenticated-user-email`` is not signed and
        therefore not looked at."""
        assertion = only(scope, HEADER)
        if assertion is None:
            return Refusal(
                Reason.MISSING, "come through Identity-Aware Proxy, which sends who you are"
            )
        try:
            claims = await self._claims(assertion)
        except KeysUnreachableError:
            return Refusal(
                Reason.KEYS_UNREACHABLE, "Google's keys cannot be read now: try again", 10
            )
        except jwt.PyJWTError:
            return Refusal(
                Reason.BAD_ASSERTION,
                "the assertion of Identity-Aware Proxy is not good: expired, for another "
                "audience than GATEWAY_IAP_AUDIENCE, or not Google's",
            )
        address = claims["email"]
        role = self._addresses.get(_folded(address) or "") if isinstance(address, str) else None
        if role is None:
            return Refusal(
                Reason.UNKNOWN_ADDRESS,
                "your address is neither in GATEWAY_IAP_OPERATORS nor in GATEWAY_IAP_VIEWERS",
            )
        return Identity(role, address, Way.ASSERTION, claims["exp"])

    async def _claims(self, assertion: str) -> dict[str, Any]:
        """What the assertion claims, all of it checked.

        Raises:
            jwt.PyJWTError: it is not Google's, not for us, or not of now.
            KeysUnreachableError: nobody can tell.
        """
        key_id = jwt.get_unverified_header(assertion).get("kid")
        if not isinstance(key_id, str):
            raise jwt.InvalidKeyError("no key named")
        key = await self._keys.key(key_id)
        if key is None:
            raise jwt.InvalidKeyError("no such key")
        return jwt.decode(
            assertion,
            key,
            algorithms=["ES256"],
            audience=self._audience,
            issuer=ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "aud", "iss", "email"], "strict_aud": True},
        )


def _folded(address: str) -> str | None:
    """An address in small letters. None outside ASCII: letters there become small ones of
    ASCII (the sign of kelvin a k), and somebody else's address would fit."""
    return address.lower() if address.isascii() else None
