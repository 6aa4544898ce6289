"""Is this installation fit to back up and to prove backups? One module per check."""
