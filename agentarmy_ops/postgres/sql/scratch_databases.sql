SELECT datname
FROM pg_database
WHERE starts_with(datname, %(prefix)s)
ORDER BY datname
