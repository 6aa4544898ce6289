"""What can be wrong with a tenant or the platform, and what changed since one looked last."""
