"""The pages ``/fleet`` and ``/fleet/{slug}``: every tenant's backups, and one tenant's."""
