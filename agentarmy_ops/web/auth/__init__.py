"""Who may enter the gateway, and what they may do there."""
