"""Per-tenant provisioning, backup and proven restore for a schema-per-tenant PostgreSQL."""

__version__ = "0.1.0"
