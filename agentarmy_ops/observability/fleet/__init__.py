"""The state of all tenants' backups, read from registry and store."""
