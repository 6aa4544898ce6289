SELECT nspname
FROM pg_namespace
WHERE NOT starts_with(nspname, %(prefix)s)
  AND NOT starts_with(nspname, 'pg_')
  AND nspname <> 'information_schema'
