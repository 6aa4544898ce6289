"""A gateway's reading of a fleet, which a test decides."""

from starlette.applications import Starlette
from starlette.types import ASGIApp

from agentarmy_ops.errors import StoreError
from agentarmy_ops.observability.background import Background
from agentarmy_ops.observability.fleet.model import Fleet
from agentarmy_ops.web.fleet.routes import fleet_routes
from agentarmy_ops.web.pages import static_files
from agentarmy_ops.web.security_headers import SecurityHeadersMiddleware
from agentarmy_ops_tests.web.site import settings_of


class Reading:
    """What the gateway read last; ``then`` is what it reads next."""

    def __init__(self) -> None:
        self.then: Fleet | str = "nothing was read"
        self.cache: Background[Fleet] = Background("fleet", lambda _: self._read(), 60)

    def _read(self) -> Fleet:
        if isinstance(self.then, str):
            raise StoreError(self.then)
        return self.then

    def read(self, then: Fleet | str) -> None:
        """Read this fleet, or fail for that cause."""
        self.then = then
        self.cache.refresh_now()

    def pages(self) -> ASGIApp:
        """The pages of what was read, with the headers that the gateway sends."""
        routes = [*fleet_routes(self.cache, settings_of()), static_files()]
        return SecurityHeadersMiddleware(Starlette(routes=routes), https=False)
