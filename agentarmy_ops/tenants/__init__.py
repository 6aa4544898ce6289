"""Tenants: their names, their registry, and what makes one exist."""
