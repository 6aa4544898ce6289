-- Schemas that are not built in, and public where something is in it.
SELECT nspname
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
   OR nspname = 'public' AND EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid)
ORDER BY 1
