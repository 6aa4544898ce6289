"""What knows people, whatever the mode."""

from typing import Protocol

from starlette.types import Scope

from agentarmy_ops.web.auth.identity import Identity, Refusal, Role, Way


class Gate(Protocol):
    """Says who sent a request."""

    async def identify(self, scope: Scope) -> Identity | Refusal:
        """By the headers of the request, and nothing else of it.

        Raises:
            RepeatedHeaderError: a header that must be there once is there more often.
        """
        ...


class OpenGate:
    """``GATEWAY_AUTH=none``: whoever reaches this machine's loopback is its operator."""

    async def identify(self, scope: Scope) -> Identity | Refusal:
        """An operator."""
        del scope
        return Identity(Role.OPERATOR, "local", Way.NONE)
