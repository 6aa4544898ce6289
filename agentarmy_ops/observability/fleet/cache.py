"""The fleet as it was read last, for whoever shows it."""

from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.fleet.model import Fleet
from agentarmy_ops.observability.fleet.read import FleetReader


class FleetCache(Background[Fleet]):
    """The last :class:`Fleet` that could be read, and why a newer one could not."""

    def __init__(self, reader: FleetReader, refresh_seconds: float) -> None:
        """``refresh_seconds``: ``FLEET_REFRESH_SECONDS``."""
        super().__init__("fleet", reader.read, refresh_seconds)
