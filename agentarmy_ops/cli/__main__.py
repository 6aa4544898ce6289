"""``python -m agentarmy_ops.cli``."""

from agentarmy_ops.cli.app import main

main()
