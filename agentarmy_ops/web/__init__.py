"""The gateway: Dagster's UI, the fleet page, health and metrics on one port, and who may enter."""
