"""What ``ENVIRONMENT=production`` refuses: what is convenient on one machine and unsafe with
customers' data.

The settings are those of a whole deployment, so every process refuses them, not only the one that
would do the harm: the gateway's open door is named by the first command that is run.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from agentarmy_ops.settings.backups import BackupSettings, Environment
from agentarmy_ops.settings.gateway import GatewayAuth, GatewaySettings

_NEEDED = (
    "database_url",
    "backup_database_url",
    "dagster_database_url",
    "scratch_database_url",
    "backup_store_url",
    "secrets_store_url",
)
# Stands for what is no business of a process: no such name exists (RFC 2606).
_NOWHERE = ".invalid"


class GuardedSettings(GatewaySettings, BackupSettings):
    """All variables; unsafe ones are no settings of production."""

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if self.environment is Environment.PRODUCTION and (found := list(unsafe(self))):
            raise ValueError(f"ENVIRONMENT=production {'; '.join(found)}")
        return self


def unsafe(settings: GuardedSettings) -> Iterator[str]:
    """What production refuses of these settings: of each thing, what to do. Shows no value."""
    if missing := [name.upper() for name in _NEEDED if getattr(settings, name) is None]:
        yield f"runs on nothing embedded: set {', '.join(missing)}"
    if _is_local(settings.backup_store_url):
        yield "keeps no backups on one machine: set BACKUP_STORE_URL to gs://bucket/prefix"
    if _is_local(settings.secrets_store_url):
        yield "keeps no secrets in files: set SECRETS_STORE_URL to sm://project"
    if not settings.encrypts_backups:
        yield "needs backups encrypted: set BACKUP_ENCRYPTION to true, or unset it"
    if settings.gateway_auth is GatewayAuth.NONE:
        yield "opens its gateway to nobody unknown: set GATEWAY_AUTH to iap or token"
    if _is_plain_http(settings.gateway_url):
        yield "serves people by TLS only: set GATEWAY_URL to https://..."
    yield from _shared_databases(settings)


def _shared_databases(settings: GuardedSettings) -> Iterator[str]:
    live = _parsed(settings.database_url)
    server, database = _at(live, "host", "port"), _at(live, "host", "port", "dbname")
    if server is None:
        return
    backup = _parsed(settings.backup_database_url)
    if "user" in live and _at(backup, "host") and backup.get("user") == live["user"]:
        yield (
            "backs up by a role that cannot write: set BACKUP_DATABASE_URL to another role than "
            "DATABASE_URL's"
        )
    if _at(_parsed(settings.dagster_database_url), "host", "port", "dbname") == database:
        yield (
            "keeps Dagster's storage apart: set DAGSTER_DATABASE_URL to another database than "
            "DATABASE_URL's"
        )
    if _at(_parsed(settings.scratch_database_url), "host", "port") == server:
        yield (
            "proves restores elsewhere: set SCRATCH_DATABASE_URL to another server than "
            "DATABASE_URL's"
        )


def _parsed(url: SecretStr | None) -> Mapping[str, object]:
    """The parts of a connection string; none of one that libpq cannot read, which is refused, by
    its name, where it is used."""
    # Loaded here: an application that only reads settings does without a database driver.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        return conninfo_to_dict(url.get_secret_value()) if url else {}
    except ProgrammingError:
        return {}


def _at(params: Mapping[str, object], *keywords: str) -> tuple[str, ...] | None:
    """What a connection string says of where it leads; None: nowhere."""
    if not params or str(params.get("host", "")).endswith(_NOWHERE):
        return None
    defaults = {"port": "5432", "dbname": str(params.get("user", ""))}
    return tuple(str(params.get(key, defaults.get(key, ""))) for key in keywords)


def _is_local(url: str | None) -> bool:
    return url is not None and (url.startswith("file:") or "://" not in url)


def _is_plain_http(url: str | None) -> bool:
    """But to this machine, by a tunnel, say."""
    parts = urlsplit(url or "")
    return parts.scheme.lower() == "http" and not _is_this_machine(parts.hostname or "")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def unencrypted(settings: BackupSettings) -> list[str]:
    """Names of the databases' variables whose connections may cross a network without TLS: by
    libpq's own ``sslmode``, they do when the server offers none, and nobody notices."""
    return [name.upper() for name in _NEEDED[:4] if _may_be_read(_parsed(getattr(settings, name)))]


def _may_be_read(params: Mapping[str, object]) -> bool:
    host = str(params.get("host", ""))
    return (
        bool(host)
        and not host.startswith(("/", "@"))  # a socket of this machine, Cloud SQL's too
        and not host.endswith(_NOWHERE)
        and not _is_this_machine(host)
        and params.get("sslmode", "prefer") in ("disable", "allow", "prefer")
    )
