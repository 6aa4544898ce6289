SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %(prefix)s)
