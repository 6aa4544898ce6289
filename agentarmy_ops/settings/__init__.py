"""Every environment variable of the package, typed. Nothing else reads the environment.

Each field is the variable of the same name in capitals. ``.env.example`` lists them all (a
test keeps the two equal). With none set, everything runs on embedded servers below
``AGENTARMY_HOME``; ``ENVIRONMENT=production`` refuses that, and more
(:mod:`agentarmy_ops.settings.production`).
"""

from agentarmy_ops.settings.backups import Environment
from agentarmy_ops.settings.gateway import GatewayAuth
from agentarmy_ops.settings.variables import Settings, load_settings

__all__ = ["Environment", "GatewayAuth", "Settings", "load_settings"]
