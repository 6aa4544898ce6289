"""The life of a backup: taken from one snapshot, stored, listed, and proved by restoring it."""
