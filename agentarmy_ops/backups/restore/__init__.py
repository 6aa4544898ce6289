"""Bring a tenant back: in one transaction, and never by dropping what is there first."""
