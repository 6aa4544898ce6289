"""The variables of the gateway and of what it and the runs report: metrics, Sentry, messages."""

from enum import StrEnum

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class GatewayAuth(StrEnum):
    """How the gateway knows who enters."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 - the name of a mode
    IAP = "iap"


class GatewaySettings(BaseSettings):
    """Who may enter the gateway, what it reads, and where failures are told."""

    gateway_auth: GatewayAuth = Field(
        GatewayAuth.NONE,
        description=(
            "Who may enter the gateway: none (everybody, therefore only on loopback), token, or "
            "iap (Google's Identity-Aware Proxy)"
        ),
    )
    gateway_operator_token: SecretStr | None = Field(
        None,
        min_length=32,
        description="GATEWAY_AUTH=token: lets in operators, who may do everything",
    )
    gateway_viewer_token: SecretStr | None = Field(
        None,
        min_length=32,
        description="GATEWAY_AUTH=token: lets in viewers, who may change nothing",
    )
    gateway_iap_audience: str | None = Field(
        None,
        description=(
            "GATEWAY_AUTH=iap: the audience of Google's assertion, "
            "/projects/NUMBER/global/backendServices/ID or what Cloud Run's page of it says"
        ),
    )
    gateway_iap_operators: str = Field(
        "", description="GATEWAY_AUTH=iap: e-mail addresses of operators, separated by commas"
    )
    gateway_iap_viewers: str = Field(
        "", description="GATEWAY_AUTH=iap: e-mail addresses of viewers, separated by commas"
    )
    gateway_url: str | None = Field(
        None,
        description=(
            "Address at which people reach the gateway, for links in notifications; https:// makes "
            "its cookies secure"
        ),
    )
    gateway_trusted_proxies: str = Field(
        "",
        description=(
            "Proxies before the gateway, by address or network, separated by commas: what they say "
            "in X-Forwarded-For and X-Forwarded-Proto is believed. Unset: nobody's"
        ),
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token for /metrics alone; unset: who may enter the gateway may read it",
    )
    fleet_refresh_seconds: float = Field(
        60,
        gt=0,
        description=(
            "How often the gateway reads registry and store for /metrics and /fleet, in seconds; a "
            "fleet that takes long to read is read less often"
        ),
    )
    sentry_dsn: SecretStr | None = Field(None, description="Sentry project; unset: no Sentry")
    sentry_traces_sample_rate: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of traces sent to Sentry; unset: staging 1, production 0.1, else 0",
    )
    notify_urls: SecretStr | None = Field(
        None,
        description=(
            "Where failures are announced: Apprise URLs (slack://, mailto://, json://, ...), "
            "separated by spaces; unset: nowhere"
        ),
    )
