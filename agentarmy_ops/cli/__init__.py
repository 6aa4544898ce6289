"""The command ``agentarmy-ops``: each command a few lines over the packages below."""

from agentarmy_ops.cli.app import main

__all__ = ["main"]
