"""Two sensors that look after the platform and all tenants, and say what changed."""
