"""Where backups are kept: objects by name, written once."""
