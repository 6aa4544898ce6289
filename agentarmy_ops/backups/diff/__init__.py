"""What has changed in a live tenant since a backup: fingerprints first, rows where they differ."""
