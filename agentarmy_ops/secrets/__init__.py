"""Tenant secrets, named ``{tenant-slug}-{secret-name}``."""
