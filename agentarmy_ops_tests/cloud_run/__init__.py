"""Cloud Run on this machine: its API, and jobs that are really executed."""
