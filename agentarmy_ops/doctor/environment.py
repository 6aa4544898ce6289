"""What production would refuse of the settings of staging, and what both had better not do."""

from collections.abc import Iterator

from agentarmy_ops.doctor.finding import Finding, ok, warn
from agentarmy_ops.settings import Environment, Settings
from agentarmy_ops.settings.production import unencrypted, unsafe

CHECK = "environment"


def check_environment(settings: Settings) -> Iterator[Finding]:
    """Looks at the settings alone, and shows no value of them."""
    found = []
    if settings.environment is Environment.STAGING:
        found += [
            warn(CHECK, f"ENVIRONMENT=production {what}", how)
            for what, _, how in (problem.partition(": ") for problem in unsafe(settings))
        ]
    if settings.environment in (Environment.STAGING, Environment.PRODUCTION):
        found += [
            warn(
                CHECK,
                f"{name} leads over a network and does not insist on TLS",
                "add sslmode=verify-full, or require, to it",
            )
            for name in unencrypted(settings)
        ]
    yield from found or [ok(CHECK, f"ENVIRONMENT={settings.environment.value}")]
