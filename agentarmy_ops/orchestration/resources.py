"""The one resource: what the assets work with, made from settings in the run's process."""

from functools import cached_property

from dagster import ConfigurableResource

from agentarmy_ops.runtime import Runtime


class OpsResource(ConfigurableResource[None]):
    """Databases, stores and scratch servers, from the environment of the run."""

    @cached_property
    def runtime(self) -> Runtime:
        """Made when first used, so that loading the code location touches no server."""
        return Runtime()
