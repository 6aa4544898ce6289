"""All variables together, and how they are read."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.localfiles import explain
from agentarmy_ops.settings.production import GuardedSettings


class Settings(GuardedSettings):
    """The configuration of one process; see the description of each field."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )


def load_settings() -> Settings:
    """Read the environment (and ``.env`` in the working directory).

    Raises:
        ConfigurationError: a variable has an unusable value; all of them are named, none of
            their values is shown. Or the working directory cannot be read.
    """
    try:
        return Settings()
    except PermissionError as error:
        raise ConfigurationError(
            f"cannot look for .env in the working directory: {explain(error)}"
        ) from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = "; ".join(_problem(item) for item in found)
        raise ConfigurationError(f"bad configuration: {problems}") from None


def _problem(item: ErrorDetails) -> str:
    name = ".".join(str(part) for part in item["loc"]).upper()
    return f"{name}: {item['msg']}" if name else item["msg"].removeprefix("Value error, ")
