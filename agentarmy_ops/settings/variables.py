"""All variables together, and how they are read."""

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.settings.backups import BackupSettings
from agentarmy_ops.settings.gateway import GatewaySettings


class Settings(GatewaySettings, BackupSettings):
    """The configuration of one process; see the description of each field."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )


def load_settings() -> Settings:
    """Read the environment (and ``.env`` in the working directory).

    Raises:
        ConfigurationError: a variable has an unusable value; all of them are named, none of
            their values is shown.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']).upper() or 'settings'}: {item['msg']}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise ConfigurationError(f"bad configuration: {problems}") from None
